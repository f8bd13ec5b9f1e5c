"""The simulated Mesos master keeps the rules that schedulers depend on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

import aiohttp
import orjson
import pytest
from mesos_simulator import MesosSimulator
from simulated_agent import Json, SimulatedAgent

Work = Callable[["Scheduler"], Awaitable[None]]


class Scheduler:
    """Subscribes, keeps all events, and acknowledges only when told."""

    def __init__(self, mesos: MesosSimulator, session: aiohttp.ClientSession) -> None:
        self.mesos = mesos
        self.events: list[Json] = []
        self.stream = ""
        self.framework_id = ""
        self.ended = False
        self._session = session
        self._reader: asyncio.Task[None] | None = None
        self.url = f"http://{mesos.address}/api/v1/scheduler"

    async def subscribe(self, *capabilities: str, roles: tuple[str, ...] = ("*",), framework_id: str = "") -> Self:
        info: Json = {"user": "root", "name": "t", "roles": list(roles)}
        info["capabilities"] = [{"type": capability} for capability in ("MULTI_ROLE", *capabilities)]
        call: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if framework_id:
            call["framework_id"] = info["id"] = {"value": framework_id}
        response = await self._session.post(self.url, json=call)
        assert response.status == 200, await response.text()
        self.stream = response.headers["Mesos-Stream-Id"]
        self._reader = asyncio.create_task(self._read(response))
        subscribed = await self.event("SUBSCRIBED")
        self.framework_id = subscribed["framework_id"]["value"]
        return self

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        while length := await response.content.readline():
            self.events.append(orjson.loads(await response.content.readexactly(int(length))))
        self.ended = True

    async def event(self, kind: str, having: Callable[[Json], bool] = lambda _: True) -> Json:
        """The next event of this type; what came before it is gone."""
        async with asyncio.timeout(5):
            while True:
                for index, event in enumerate(self.events):
                    part = event.get(kind.lower(), {})
                    if event["type"] == kind and having(part):
                        del self.events[: index + 1]
                        return dict(part)
                await asyncio.sleep(0.005)

    async def status(self, state: str, *, acknowledge: bool = True) -> Json:
        """The next update, which must be of this state."""
        status = (await self.event("UPDATE"))["status"]
        assert status["state"] == state, status
        if acknowledge and "uuid" in status:
            await self.call("ACKNOWLEDGE", **{key: status[key] for key in ("agent_id", "task_id", "uuid")})
        return dict(status)

    async def offer(self, role: str = "*") -> Json:
        offers = (await self.event("OFFERS", lambda o: o["offers"][0]["allocation_info"]["role"] == role))["offers"]
        return dict(offers[0])

    async def call(self, kind: str, status: int = 202, /, *, stream: str | None = None, **fields: Any) -> str:
        body = {"type": kind, "framework_id": {"value": self.framework_id}, kind.lower(): fields}
        headers = {"Mesos-Stream-Id": self.stream if stream is None else stream}
        async with self._session.post(self.url, json=body, headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.text()

    async def launch(self, offer: Json, task_id: str, *, cpus: float = 1, port: int | None = None, **task: Any) -> None:
        allocation = {"role": "*", "allocation_info": offer["allocation_info"]}
        resources: list[Json] = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}, **allocation}]
        if port:
            ranges = {"range": [{"begin": port, "end": port}]}
            resources.append({"name": "ports", "type": "RANGES", "ranges": ranges, **allocation})
        info = {"name": task_id, "task_id": {"value": task_id}, "agent_id": offer["agent_id"], "command": {}}
        info |= {"resources": resources, **task}
        operation = {"type": "LAUNCH", "launch": {"task_infos": [info]}}
        filters = {"refuse_seconds": 0}
        await self.call("ACCEPT", offer_ids=[offer["id"]], operations=[operation], filters=filters)

    async def running(self, task_id: str = "t-1", **options: Any) -> Json:
        """Launch one and see it run; returns the offer."""
        offer = await self.offer()
        await self.launch(offer, task_id, **options)
        await self.status("TASK_STARTING")
        await self.status("TASK_RUNNING")
        return offer


def run(work: Work, agents: tuple[SimulatedAgent, ...] | None = None, **settings: Any) -> None:
    """One agent with 2 cpus unless others are given."""

    async def whole() -> None:
        cluster = (SimulatedAgent("a", cpus=2),) if agents is None else agents
        async with MesosSimulator(cluster, **settings) as mesos, aiohttp.ClientSession() as session:
            await work(Scheduler(mesos, session))

    asyncio.run(whole())


def cpus_of(offer: Json) -> float:
    return sum(r["scalar"]["value"] for r in offer["resources"] if r["name"] == "cpus")


def test_only_what_is_free_is_offered_and_only_once() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        offer = await scheduler.offer()
        assert cpus_of(offer) == 2
        await scheduler.launch(offer, "t-1", cpus=1.5, port=31000)
        rest = await scheduler.offer()
        assert cpus_of(rest) == 0.5
        ports = next(r for r in rest["resources"] if r["name"] == "ports")
        assert ports["ranges"]["range"] == [{"begin": 31001, "end": 31999}]
        await asyncio.sleep(0.2)
        assert not [event for event in scheduler.events if event["type"] == "OFFERS"]

    run(work)


def test_refused_for_a_while_until_revived() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        await scheduler.call("DECLINE", offer_ids=[(await scheduler.offer())["id"]], filters={"refuse_seconds": 0.4})
        await asyncio.sleep(0.2)
        assert not any(event["type"] == "OFFERS" for event in scheduler.events)
        await scheduler.call("DECLINE", offer_ids=[(await scheduler.offer())["id"]])
        await asyncio.sleep(0.2)
        assert not any(event["type"] == "OFFERS" for event in scheduler.events)
        await scheduler.call("REVIVE")
        await scheduler.offer()

    run(work)


def test_suppressed_roles_get_nothing() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe(roles=("a", "b"))
        offer = await scheduler.offer("a")
        await scheduler.call("SUPPRESS", roles=["a"])
        await scheduler.call("DECLINE", offer_ids=[offer["id"]], filters={"refuse_seconds": 0})
        offer = await scheduler.offer("b")
        await scheduler.call("SUPPRESS")
        await scheduler.call("DECLINE", offer_ids=[offer["id"]], filters={"refuse_seconds": 0})
        await asyncio.sleep(0.2)
        assert not any(event["type"] == "OFFERS" for event in scheduler.events)
        await scheduler.call("REVIVE", roles=["a"])
        await scheduler.offer("a")

    run(work)


def test_roles_can_be_added() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe(roles=("a",))
        await scheduler.call("SUPPRESS")
        await scheduler.call("UPDATE_FRAMEWORK", framework_info={"roles": ["a", "b"]}, suppressed_roles=["a"])
        await scheduler.offer("b")

    run(work)


def test_reserved_resources_only_for_their_role() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe("RESERVATION_REFINEMENT", roles=("a",))
        assert cpus_of(await scheduler.offer("a")) == 5

    agents = (SimulatedAgent("a", cpus=2, reserved={"a": {"cpus": 3}, "b": {"cpus": 4}}),)
    run(work, agents)


INVALID = {
    "more than offered": {"cpus": 2.001},
    "a port outside": {"port": 80},
    "another agent": {"agent_id": {"value": "x"}},
    "no command": {"executor": {}},
}


@pytest.mark.parametrize("task", INVALID.values(), ids=INVALID)
def test_invalid_tasks(task: Json) -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        await scheduler.launch(await scheduler.offer(), "t-1", **task)
        assert (await scheduler.status("TASK_ERROR"))["reason"] == "REASON_TASK_INVALID"
        assert cpus_of(await scheduler.offer()) == 2

    run(work)


@pytest.mark.parametrize(("capability", "state"), [("PARTITION_AWARE", "TASK_DROPPED"), ("GPU_RESOURCES", "TASK_LOST")])
def test_an_offer_is_good_once(capability: str, state: str) -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe(capability)
        offer = await scheduler.running()
        await scheduler.launch(offer, "t-2")
        assert (await scheduler.status(state))["reason"] == "REASON_INVALID_OFFERS"

    run(work)


def test_one_status_at_a_time_and_again_until_acknowledged() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        await scheduler.launch(await scheduler.offer(), "t-1")
        first = await scheduler.status("TASK_STARTING", acknowledge=False)
        again = await scheduler.status("TASK_STARTING")
        assert first["uuid"] == again["uuid"]
        await scheduler.status("TASK_RUNNING")
        scheduler.mesos.end_task("t-1", "TASK_FINISHED")
        await scheduler.status("TASK_FINISHED")
        assert scheduler.mesos.tasks == {}

    run(work, retry_seconds=0.2)


def test_kill_with_killing_state() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe("TASK_KILLING_STATE")
        await scheduler.running()
        await scheduler.call("KILL", task_id={"value": "t-1"})
        await scheduler.status("TASK_KILLING")
        await scheduler.status("TASK_KILLED")
        assert scheduler.mesos.agents["agent-a"].free["cpus", "*"] == 2000

    run(work, kill_seconds=0.05)


def test_kill_without_killing_state() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        await scheduler.running()
        await scheduler.call("KILL", task_id={"value": "t-1"})
        await scheduler.status("TASK_KILLED")

    run(work)


def test_killing_what_nobody_knows_reconciles() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe("PARTITION_AWARE")
        await scheduler.call("KILL", task_id={"value": "nobody"})
        await scheduler.status("TASK_UNKNOWN")

    run(work)


def test_reconciliation() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe("PARTITION_AWARE")
        await scheduler.running()
        await scheduler.call("RECONCILE", tasks=[])
        assert "uuid" not in await scheduler.status("TASK_RUNNING")
        asked = [{"task_id": {"value": "x"}, "agent_id": {"value": agent}} for agent in ("agent-a", "elsewhere")]
        await scheduler.call("RECONCILE", tasks=[*asked, {"task_id": {"value": "t-1"}}])
        for state in ("TASK_GONE", "TASK_UNKNOWN", "TASK_RUNNING"):
            assert (await scheduler.status(state))["reason"] == "REASON_RECONCILIATION"

    run(work)


def test_an_agent_is_lost_and_returns_with_its_task() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe("PARTITION_AWARE")
        await scheduler.running()
        await scheduler.offer()
        scheduler.mesos.lose_agent("agent-a")
        await scheduler.event("RESCIND")
        assert (await scheduler.event("FAILURE"))["agent_id"] == {"value": "agent-a"}
        await scheduler.status("TASK_UNREACHABLE")
        scheduler.mesos.end_task("t-1")
        await asyncio.sleep(0.1)
        assert not any(event["type"] in ("UPDATE", "OFFERS") for event in scheduler.events)
        scheduler.mesos.return_agent("agent-a")
        assert (await scheduler.status("TASK_FAILED"))["source"] == "SOURCE_MASTER"
        assert (await scheduler.status("TASK_FAILED"))["source"] == "SOURCE_EXECUTOR"
        await scheduler.offer()

    run(work)


def test_an_agent_is_gone() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe("PARTITION_AWARE")
        await scheduler.running()
        scheduler.mesos.agent_gone("agent-a")
        await scheduler.status("TASK_GONE_BY_OPERATOR")
        assert scheduler.mesos.tasks == {}

    run(work)


def test_healthy_when_it_has_a_health_check() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        await scheduler.running(health_check={"type": "TCP"})
        assert (await scheduler.status("TASK_RUNNING"))["healthy"] is True

    run(work)


def test_failover_of_the_framework() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        await scheduler.running()
        second = Scheduler(scheduler.mesos, scheduler._session)
        await second.subscribe(framework_id=scheduler.framework_id)
        assert (await scheduler.event("ERROR"))["message"] == "Framework failed over"
        await scheduler.call("SUPPRESS", 400)
        await second.call("RECONCILE", tasks=[])
        await second.status("TASK_RUNNING")
        await second.offer()
        assert scheduler.ended

    run(work)


def test_what_was_not_acknowledged_comes_again_after_a_broken_connection() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        await scheduler.running()
        scheduler.mesos.disconnect()
        scheduler.mesos.end_task("t-1", "TASK_FAILED", "boom")
        again = Scheduler(scheduler.mesos, scheduler._session)
        await again.subscribe(framework_id=scheduler.framework_id)
        assert (await again.status("TASK_FAILED"))["message"] == "boom"

    run(work)


def test_a_framework_that_was_removed_stays_removed() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        await scheduler.running()
        await scheduler.call("TEARDOWN")
        again = Scheduler(scheduler.mesos, scheduler._session)
        reader = asyncio.create_task(again.subscribe(framework_id=scheduler.framework_id))
        assert (await again.event("ERROR"))["message"] == "Framework has been removed"
        reader.cancel()

    run(work)


def test_calls_that_are_refused() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        assert "should include" in await scheduler.call("SUPPRESS", 400, stream="")
        assert "stream ID" in await scheduler.call("SUPPRESS", 400, stream="other")
        assert "Unknown call" in await scheduler.call("NONSENSE", 400)
        known, scheduler.framework_id = scheduler.framework_id, "other"
        assert "cannot be found" in await scheduler.call("SUPPRESS", 400)
        scheduler.framework_id = known
        scheduler.mesos.disconnect()
        assert "not subscribed" in await scheduler.call("SUPPRESS", 403)

    run(work)


def test_credentials_and_redirects() -> None:
    async def work(scheduler: Scheduler) -> None:
        session = scheduler._session
        async with session.post(scheduler.url, json={}) as response:
            assert response.status == 401
        scheduler.mesos.leader = "other:5050"
        async with session.post(scheduler.url, json={}, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (307, "//other:5050/api/v1/scheduler")

    run(work, login=("p", "s"))


def test_heartbeats() -> None:
    async def work(scheduler: Scheduler) -> None:
        await scheduler.subscribe()
        for _ in range(3):
            await scheduler.event("HEARTBEAT")

    run(work, heartbeat_seconds=0.1)
