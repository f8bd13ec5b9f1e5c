"""Instances are ended in order: routers first, Mesos after the drain, until it is over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from unit.services.scheduler.instances.recording import MemoryStore, RecordingMesos, Told, make_app, make_instance

from services.scheduler import clock
from services.scheduler.definitions.app import App, HealthCheck, PortDefinition
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.registry import Registry
from services.scheduler.launching.killer import DRAIN_LABEL, Killer
from services.scheduler.mesos.client import MesosError

C = Condition
PORTS = (PortDefinition(),)


class Parts:
    def __init__(
        self,
        *instances: Instance,
        app: App | None = None,
        drain: float = 0.0,
        retry: float = 10.0,
        takeover: bool = False,
    ) -> None:
        self.mesos, self.told = RecordingMesos(), Told()
        self.registry = Registry(MemoryStore(), self.told.bus, instances)
        apps = {app.id: app} if app else {}
        self.killer = Killer(
            self.mesos,
            self.registry,
            self.told.bus,
            apps.get,
            drain_seconds=drain,
            retry_seconds=retry,
            takeover=takeover,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.killer.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def sent(self) -> list[str]:
        return [call[0] for call in self.mesos.of("kill")]


def test_told_at_once_and_sent_with_the_grace_of_the_application() -> None:
    async def run() -> None:
        one = make_instance(condition=C.RUNNING)
        parts = Parts(one, app=make_app(task_kill_grace_period_seconds=7.5))
        async with parts.running():
            parts.killer.kill([one])
            assert one.condition is C.KILLING
            assert parts.told.types() == ["instance_changed_event", "status_update_event"]
            assert parts.told.of("status_update_event")[0]["taskStatus"] == "TASK_KILLING"
            await asyncio.sleep(0.02)
            assert parts.mesos.of("kill") == [(one.task_id, "agent-1", 7.5)]
            parts.killer.kill([one])
            await asyncio.sleep(0.02)
            assert len(parts.sent()) == 1, "it is on its way"
            assert parts.killer.killed == 1

    asyncio.run(run())


DRAINS = {  # instance, application, seconds
    "serves": ({"condition": C.RUNNING}, {"port_definitions": PORTS}, 3.0),
    "its application says": (
        {"condition": C.RUNNING},
        {"port_definitions": PORTS, "labels": {DRAIN_LABEL: "20"}},
        20.0,
    ),
    "no longer than an hour": (
        {"condition": C.RUNNING},
        {"port_definitions": PORTS, "labels": {DRAIN_LABEL: "1e9"}},
        3600.0,
    ),
    "no number": ({"condition": C.RUNNING}, {"port_definitions": PORTS, "labels": {DRAIN_LABEL: "soon"}}, 3.0),
    "has no ports": ({"condition": C.RUNNING}, {}, 0.0),
    "never ran": ({"condition": C.STAGING}, {"port_definitions": PORTS}, 0.0),
    "is not healthy": ({"condition": C.RUNNING, "healthy": False}, {"port_definitions": PORTS}, 0.0),
    "was never healthy": (
        {"condition": C.RUNNING},
        {"port_definitions": PORTS, "health_checks": (HealthCheck(),)},
        0.0,
    ),
    "is healthy": (
        {"condition": C.RUNNING, "healthy": True},
        {"port_definitions": PORTS, "health_checks": (HealthCheck(),)},
        3.0,
    ),
    "its application is gone": ({"condition": C.RUNNING}, None, 3.0),
}


@pytest.mark.parametrize(("instance", "app", "seconds"), DRAINS.values(), ids=DRAINS)
def test_drain(instance: dict[str, Any], app: dict[str, Any] | None, seconds: float) -> None:
    async def run() -> None:
        one = make_instance(**instance)
        parts = Parts(one, app=None if app is None else make_app(**app), drain=3.0)
        parts.killer.kill([one])
        (due,) = [kill.due for kill in parts.killer._kills.values()]
        assert due - clock.monotonic() == pytest.approx(seconds, abs=0.5)

    asyncio.run(run())


def test_without_drain_it_is_sent_now_also_when_it_was_to_wait() -> None:
    async def run() -> None:
        one = make_instance(condition=C.RUNNING)
        parts = Parts(one, drain=60)
        async with parts.running():
            parts.killer.kill([one])
            await asyncio.sleep(0.02)
            assert parts.sent() == []
            parts.killer.kill([one], drain=False)
            await asyncio.sleep(0.02)
            assert parts.sent() == [one.task_id]

    asyncio.run(run())


def test_again_until_it_is_over() -> None:
    async def run() -> None:
        one = make_instance(condition=C.RUNNING)
        parts = Parts(one, retry=0.03)
        async with parts.running():
            parts.killer.kill([one])
            done = asyncio.create_task(parts.killer.done([one.id, "unknown"]))
            async with asyncio.timeout(5):
                while len(parts.sent()) < 3:
                    await asyncio.sleep(0.01)
            assert not done.done()
            parts.registry.forget(one)
            await asyncio.wait_for(done, 1)
            sent = len(parts.sent())
            await asyncio.sleep(0.1)
            assert len(parts.sent()) == sent

    asyncio.run(run())


def test_a_refused_kill_is_sent_with_the_next_subscription() -> None:
    async def run() -> None:
        one = make_instance(condition=C.RUNNING)
        parts = Parts(one)
        async with parts.running():
            parts.killer.kill([one])
            await asyncio.sleep(0.02)
            parts.mesos.calls.clear()  # the master that had it is gone
            parts.killer.reconnected()
            await asyncio.sleep(0.02)
            assert parts.sent() == [one.task_id]

    asyncio.run(run())


def test_a_call_that_fails_is_tried_soon(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        one = make_instance(condition=C.RUNNING)
        parts = Parts(one)
        parts.mesos.refuse = MesosError("KILL: 503", refused=True)
        async with parts.running():
            parts.killer.kill([one])
            await _until(lambda: "503" in caplog.text)
            parts.mesos.refuse = None
            await _until(lambda: parts.sent() == [one.task_id])  # long before `retry`

    asyncio.run(run())


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(8):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("condition", [C.UNREACHABLE, C.UNREACHABLE_INACTIVE])
def test_out_of_reach_is_forgotten(condition: Condition) -> None:
    async def run() -> None:
        one = make_instance(condition=condition)
        parts = Parts(one)
        parts.killer.kill([one])
        assert parts.registry.get(one.id) is None
        assert parts.told.of("instance_changed_event")[-1]["condition"] == "Killed"
        await asyncio.wait_for(parts.killer.done([one.id]), 1)

    asyncio.run(run())


def test_wipe_does_not_wait_for_ever() -> None:
    async def run() -> None:
        one, other = make_instance(condition=C.RUNNING), make_instance(condition=C.RUNNING)
        parts = Parts(one, other, retry=0.03)
        async with parts.running():
            parts.killer.kill([one], wipe=True)
            parts.killer.kill([other])
            await asyncio.wait_for(parts.killer.done([one.id]), 1)
            assert parts.sent().count(one.task_id) == 1
            assert parts.registry.get(other.id) is other

    asyncio.run(run())


def test_a_new_leader_goes_on_where_the_old_one_stopped() -> None:
    async def run() -> None:
        long_ago = clock.text(datetime.now(UTC) - timedelta(seconds=60))
        late = make_instance(condition=C.KILLING, started_at=long_ago, since=long_ago)
        draining = make_instance(condition=C.KILLING, started_at=long_ago, since=clock.now())
        parts = Parts(late, draining, drain=30)
        async with parts.running():
            await asyncio.sleep(0.02)
            assert parts.sent() == [late.task_id]

    asyncio.run(run())


def test_thousands() -> None:
    async def run() -> None:
        some = [make_instance(condition=C.RUNNING) for _ in range(3000)]
        parts = Parts(*some)
        async with parts.running():
            parts.killer.kill(some)
            done = asyncio.create_task(parts.killer.done([one.id for one in some]))
            async with asyncio.timeout(5):
                while len(parts.sent()) < len(some):
                    await asyncio.sleep(0.001)
            for one in some:
                parts.registry.forget(one)
            await asyncio.wait_for(done, 2)

    asyncio.run(run())


def test_a_new_leader_gives_routers_the_time_to_find_it() -> None:
    async def run() -> None:
        serving, silent = make_instance(condition=C.RUNNING, started_at="x"), make_instance(condition=C.STAGING)
        parts = Parts(serving, silent, app=make_app(port_definitions=PORTS), drain=3.0, takeover=True)
        parts.killer.kill([serving, silent])
        due = {identity: kill.due - clock.monotonic() for identity, kill in parts.killer._kills.items()}
        assert due[serving.id] == pytest.approx(9.0, abs=0.5)
        assert due[silent.id] <= 0, "nobody uses it"

    asyncio.run(run())
