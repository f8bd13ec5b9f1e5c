"""The whole path on a simulated master: wish, offer, launch, status, kill, failover."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from mesos_simulator import runs
from simulated_agent import SimulatedAgent

from services.scheduler.definitions.app import App, Constraint, PortDefinition, UnreachableStrategy
from services.scheduler.instances.instance import Condition
from services.scheduler.mesos.client import FrameworkGoneError

MakeApp = Callable[..., App]


def agents(count: int, **fields: Any) -> list[SimulatedAgent]:
    return [SimulatedAgent(f"a-{number}", **fields) for number in range(count)]


def test_launches_what_is_wanted_and_then_wants_no_offers(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(3)) as w, w.leading() as engine:
            w.want(app(instances=3, port_definitions=(PortDefinition(),)))
            await w.until(lambda: len(w.running("/web")) == 3, "three run")
            running = w.running("/web")
            assert len({instance.hostname for instance in running}) == 3, "spread over the agents"
            assert all(instance.host_ports and instance.ready for instance in running)
            assert all(instance.ip_addresses == ("172.17.0.2",) for instance in running)
            assert set(w.mesos.tasks) == {instance.task_id for instance in running}
            assert w.store.framework_id == engine.framework_id
            await w.until(lambda: w.mesos.of_type("SUPPRESS"), "offers are suppressed")
            await w.until(lambda: not any(task.updates for task in w.mesos.tasks.values()), "all acknowledged")
            assert {i.condition for i in w.store.instances.values()} == {Condition.RUNNING}
            registered = w.events_of("scheduler_registered_event")
            assert [event["frameworkId"] for event in registered] == [engine.framework_id]

    asyncio.run(run())


def test_a_failed_task_is_replaced_after_its_delay(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(1)) as w, w.leading() as engine:
            web = app(backoff_seconds=0.3)
            w.want(web)
            (first,) = await w.until(lambda: w.running("/web"), "it runs")
            w.mesos.end_task(first.task_id, "TASK_FAILED", "out of memory")
            await w.until(lambda: engine.queue.count("/web"), "another one is wanted")
            assert 0 < engine.queue.delay_until(web) <= 0.3
            (second,) = await w.until(lambda: w.running("/web"), "it runs again")
            assert second.id != first.id
            failure = engine.failures.of("/web")
            assert failure is not None
            assert (failure["state"], failure["message"]) == ("TASK_FAILED", "out of memory")
            await w.until(lambda: w.store.failures == {"/web": failure}, "the failure is stored")
            states = [event["taskStatus"] for event in w.events_of("status_update_event")]
            assert states[-1] == "TASK_RUNNING"
            assert "TASK_FAILED" in states
            conditions = [event["condition"] for event in w.events_of("instance_changed_event")]
            assert conditions == ["Provisioned", "Starting", "Running", "Failed", "Provisioned", "Starting", "Running"]

    asyncio.run(run())


def test_nothing_is_launched_before_it_is_stored(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(1)) as w, w.leading():
            await w.until(lambda: w.store.framework_id, "subscribed")
            w.store.gate.clear()
            w.want(app())
            await w.until(lambda: w.engine.registry.of("/web"), "it is placed")
            await asyncio.sleep(0.2)
            assert not w.mesos.tasks
            w.store.gate.set()
            await w.until(lambda: w.running("/web"), "it runs")

    asyncio.run(run())


def test_no_status_is_acknowledged_before_it_is_stored(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(1), behaviour=lambda mesos, task: None) as w, w.leading():
            w.want(app())
            await w.until(lambda: w.mesos.tasks, "it is launched")
            w.store.gate.clear()
            before = w.mesos.call_counts["ACKNOWLEDGE"]
            w.mesos.update(next(iter(w.mesos.tasks.values())), "TASK_RUNNING")
            await w.until(lambda: w.running("/web"), "it runs")
            await asyncio.sleep(0.2)
            assert w.mesos.call_counts["ACKNOWLEDGE"] == before
            w.store.gate.set()
            await w.until(lambda: w.mesos.call_counts["ACKNOWLEDGE"] == before + 1, "acknowledged")

    asyncio.run(run())


def test_a_store_that_fails_ends_the_engine(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(1)) as w, w.leading():
            await w.until(lambda: w.store.framework_id, "subscribed")
            w.store.broken = ConnectionError("fenced")
            w.want(app())
            assert await w.ended() is w.store.broken
            assert not w.mesos.tasks

    with pytest.raises(ConnectionError, match="fenced"):
        asyncio.run(run())


def test_scaling_down_kills_after_the_drain(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        settings = {"kill_drain_seconds": 0.4}
        async with world(agents(2), settings) as w, w.leading() as engine:
            web = app(instances=2, port_definitions=(PortDefinition(),))
            w.want(web)
            await w.until(lambda: len(w.running("/web")) == 2, "two run")
            w.want(dataclasses.replace(web, instances=1))
            await w.until(lambda: len(w.running("/web")) == 1, "one is to end")
            killing = next(i for i in engine.registry.of("/web").values() if i.condition is Condition.KILLING)
            assert w.events_of("status_update_event")[-1]["taskStatus"] == "TASK_KILLING"
            await asyncio.sleep(0.2)
            assert not w.mesos.of_type("KILL"), "routers have their time"
            await engine.killer.done([killing.id])
            assert len(w.mesos.of_type("KILL")) == 1
            assert len(w.running("/web")) == 1
            assert engine.queue.count("/web") == 0

    asyncio.run(run())


def test_a_new_leader_takes_over_every_task(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(3)) as w:
            async with w.leading():
                w.want(app(instances=6))
                await w.until(lambda: len(w.running("/web")) == 6, "six run")
                await w.until(lambda: len(w.store.instances) == 6, "stored")
                ids = {instance.id for instance in w.running("/web")}
            gone = next(iter(w.mesos.tasks.values()))
            w.mesos.end_task(gone.id, "TASK_FAILED", "while nobody led")
            w.locked.add("/web")
            async with w.leading() as engine:
                await w.until(lambda: len(w.running("/web")) == 5, "the failed one is noticed")
                await w.until(lambda: engine.reconciler.rounds and not engine.reconciler.unanswered, "reconciled")
                assert {i.task_id for i in w.running("/web")} == set(w.mesos.tasks) - {gone.id}
                assert {i.id for i in w.running("/web")} < ids
                assert w.mesos.call_counts["KILL"] == 0
                assert len(w.events_of("scheduler_registered_event")) == 1
                assert len(w.events_of("scheduler_reregistered_event")) == 1
            assert set(w.mesos.launched.values()) == {1}

    asyncio.run(run())


def test_a_task_that_nobody_knows_is_killed(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(1)) as w:
            async with w.leading():
                w.want(app())
                await w.until(lambda: w.running("/web"), "it runs")
                await w.until(lambda: len(w.store.instances) == 1, "stored")
            (task,) = w.mesos.tasks
            w.store.instances.clear()
            w.apps.clear()
            async with w.leading():
                await w.until(lambda: w.mesos.of_type("KILL"), "it is killed")
                assert w.mesos.of_type("KILL")[0]["kill"]["task_id"]["value"] == task
                ended = await w.until(lambda: w.events_of("unknown_instance_terminated_event"), "its end is told")
                assert ended[0]["runSpecId"] == "/web"
                assert ended[0]["condition"] == "Killed"

    asyncio.run(run())


UNREACHABLE = {
    "at once": (UnreachableStrategy(0, 0), 1, True),
    "replaced, not forgotten": (UnreachableStrategy(0, 600), 2, False),
    "not yet": (UnreachableStrategy(300, 600), 1, False),
    "disabled": (None, 1, False),
}


@pytest.mark.parametrize(("strategy", "known", "replaced_and_gone"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_an_agent_out_of_reach(
    world: Any, app: MakeApp, strategy: UnreachableStrategy | None, known: int, replaced_and_gone: bool
) -> None:
    async def run() -> None:
        async with world(agents(2)) as w, w.leading() as engine:
            w.want(app(unreachable_strategy=strategy))
            (first,) = await w.until(lambda: w.running("/web"), "it runs")
            w.mesos.lose_agent(first.agent_id)
            if replaced_and_gone or known == 2:
                await w.until(lambda: [i for i in w.running("/web") if i.id != first.id], "it is replaced")
            await w.until(lambda: len(engine.registry.of("/web")) == known, f"{known} known")
            await asyncio.sleep(0.1)
            assert (engine.registry.get(first.id) is None) == replaced_and_gone
            w.mesos.return_agent(first.agent_id)
            if replaced_and_gone:  # unknown by now
                await w.until(lambda: first.task_id not in w.mesos.tasks or w.mesos.of_type("KILL"), "killed")
                return
            # Back: one of them is too many, or none is.
            await w.until(lambda: len(w.running("/web")) == 1 and len(engine.registry.of("/web")) == 1, "one is left")
            assert (engine.registry.get(first.id) is not None) or known == 2

    asyncio.run(run())


def test_an_agent_that_is_gone_is_replaced(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(2)) as w, w.leading() as engine:
            w.want(app(unreachable_strategy=None, backoff_seconds=0.05))
            (first,) = await w.until(lambda: w.running("/web"), "it runs")
            w.mesos.agent_gone(first.agent_id)
            await w.until(lambda: [i for i in w.running("/web") if i.id != first.id], "it is replaced")
            assert engine.registry.get(first.id) is None
            failure = engine.failures.of("/web")
            assert failure is not None
            assert failure["state"] == "TASK_GONE_BY_OPERATOR"

    asyncio.run(run())


def test_a_master_that_goes_away_costs_nothing(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(2)) as w, w.leading() as engine:
            w.want(app(instances=2))
            await w.until(lambda: len(w.running("/web")) == 2, "two run")
            w.mesos.disconnect()
            await w.until(lambda: w.events_of("scheduler_disconnected_event"), "noticed")
            await w.until(lambda: engine.mesos.connected and engine.reconciler.rounds == 2, "subscribed again")
            assert len(w.running("/web")) == 2
            w.want(app(instances=4))
            await w.until(lambda: len(w.running("/web")) == 4, "it launches as before")
            assert set(w.mesos.launched.values()) == {1}

    asyncio.run(run())


def test_a_framework_that_was_torn_down_ends_the_engine(world: Any) -> None:
    async def run() -> None:
        async with world(agents(1)) as w, w.leading() as engine:
            await w.until(lambda: w.store.framework_id, "subscribed")
            await engine.mesos.teardown()
            assert isinstance(await w.ended(), FrameworkGoneError)

    with pytest.raises(FrameworkGoneError):
        asyncio.run(run())


def test_a_task_that_does_not_start_is_killed_and_replaced(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        settings = {"task_launch_timeout": 300, "task_launch_confirm_timeout": 300}
        stuck = [True]

        def behaviour(mesos: Any, task: Any) -> None:
            if stuck.pop() if stuck else False:
                mesos.update(task, "TASK_STAGING")
            else:
                runs()(mesos, task)

        async with world(agents(1), settings, behaviour=behaviour) as w, w.leading():
            w.want(app())
            await w.until(lambda: w.running("/web"), "another one runs")
            assert len(w.mesos.launched) == 2
            assert len(w.mesos.of_type("KILL")) == 1

    asyncio.run(run())


def test_unique_hostnames_and_a_reason_for_what_waits(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(2)) as w, w.leading() as engine:
            w.want(app(instances=3, constraints=(Constraint("hostname", "UNIQUE"),)))
            await w.until(lambda: len(w.running("/web")) == 2, "two run")
            item = await w.until(lambda: engine.queue.get("/web"), "one waits")
            assert item.count == 1

            def reasons() -> dict[str, int]:
                steps = json.loads(item.summary.document())["rejectSummaryLastOffers"]
                return {step["reason"]: step["declined"] for step in steps if step["declined"]}

            await w.until(lambda: reasons() == {"UnfulfilledConstraint": 2}, "both offers are rejected for that")
            assert len({instance.hostname for instance in w.running("/web")}) == 2

    asyncio.run(run())


def test_another_role_is_subscribed_for(world: Any, app: MakeApp) -> None:
    async def run() -> None:
        async with world(agents(1)) as w, w.leading():
            await w.until(lambda: w.store.framework_id, "subscribed")
            w.want(app(role="dev"))
            (instance,) = await w.until(lambda: w.running("/web"), "it runs")
            assert instance.role == "dev"

    asyncio.run(run())
