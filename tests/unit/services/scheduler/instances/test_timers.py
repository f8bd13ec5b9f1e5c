"""Instances that are not settled are looked after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from unit.services.scheduler.instances.recording import MemoryStore, Told, make_app, make_instance

from services.scheduler import clock
from services.scheduler.definitions.app import App, UnreachableStrategy
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.registry import Registry
from services.scheduler.instances.timers import Timers

C = Condition


def ago(seconds: float) -> str:
    return clock.text(datetime.now(UTC) - timedelta(seconds=seconds))


class Parts:
    def __init__(self, *instances: Instance, app: App | None = None) -> None:
        self.told = Told()
        self.registry = Registry(MemoryStore(), self.told.bus, instances)
        self.killed: list[Instance] = []
        apps = {app.id: app} if app else {}
        self.timers = Timers(self.registry, self, apps.get, confirm_seconds=10, launch_seconds=20, interval=0.01)

    def kill(self, instances: Iterable[Instance], *, wipe: bool = False, drain: bool = True) -> None:
        assert not drain, "nobody uses it yet"
        for instance in instances:
            self.killed.append(instance)
            self.registry.update(instance, condition=C.KILLING)

    async def work(self, seconds: float = 0.05) -> None:
        task = asyncio.create_task(self.timers.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


STRATEGY = UnreachableStrategy(60, 600)
CASES = {  # condition, seconds in it, strategy, condition after (None: forgotten)
    "not yet": (C.UNREACHABLE, 59, STRATEGY, C.UNREACHABLE),
    "replaced": (C.UNREACHABLE, 61, STRATEGY, C.UNREACHABLE_INACTIVE),
    "given up": (C.UNREACHABLE_INACTIVE, 541, STRATEGY, None),
    "kept for ever": (C.UNREACHABLE, 1e6, None, C.UNREACHABLE),
}


@pytest.mark.parametrize(("condition", "seconds", "strategy", "after"), CASES.values(), ids=CASES)
def test_unreachable(
    condition: Condition, seconds: float, strategy: UnreachableStrategy | None, after: Condition | None
) -> None:
    one = make_instance(condition=condition, since=ago(seconds))
    parts = Parts(one, app=make_app(unreachable_strategy=strategy))
    asyncio.run(parts.work())
    left = parts.registry.get(one.id)
    assert (left.condition if left else None) == after


def test_unreachable_of_an_application_that_is_gone() -> None:
    one = make_instance(condition=C.UNREACHABLE, since=ago(1))
    parts = Parts(one)
    asyncio.run(parts.work())
    assert parts.registry.get(one.id) is None
    assert parts.told.of("instance_changed_event")[-1]["condition"] == "Gone"


def test_overdue_ones_are_killed() -> None:
    fresh = make_instance(staged_at=ago(1))
    silent = make_instance(staged_at=ago(11))
    pulling = make_instance(condition=C.STAGING, staged_at=ago(11))
    stuck = make_instance(condition=C.STAGING, staged_at=ago(21))
    runs = make_instance(condition=C.RUNNING, staged_at=ago(1e6))
    parts = Parts(fresh, silent, pulling, stuck, runs)
    asyncio.run(parts.work())
    assert parts.killed == [silent, stuck]


def test_changes_while_it_runs() -> None:
    async def run() -> None:
        one = make_instance(condition=C.RUNNING)
        parts = Parts(one, app=make_app(unreachable_strategy=UnreachableStrategy(0, 600)))
        work = asyncio.create_task(parts.work(0.2))
        await asyncio.sleep(0.02)
        parts.registry.update(one, condition=C.UNREACHABLE)
        await asyncio.sleep(0.05)
        assert one.condition is C.UNREACHABLE_INACTIVE
        parts.registry.update(one, condition=C.RUNNING)
        await work
        assert one.condition is C.RUNNING
        assert parts.killed == []

    asyncio.run(run())
