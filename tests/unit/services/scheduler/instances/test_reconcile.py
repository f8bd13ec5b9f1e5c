"""What is asked after a subscription, and again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from unit.services.scheduler.instances.recording import MemoryStore, RecordingMesos, Told, make_instance

from services.scheduler import clock
from services.scheduler.instances import reconcile
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.reconcile import Reconciler
from services.scheduler.instances.registry import Registry
from services.scheduler.mesos.client import MesosError


class Parts:
    def __init__(self, *instances: Instance, interval: float = 600) -> None:
        self.mesos = RecordingMesos()
        self.registry = Registry(MemoryStore(), Told().bus, instances)
        self.reconciler = Reconciler(self.mesos, self.registry, interval=interval)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reconciler.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def asked(self, count: int) -> list[list[tuple[str, str]]]:
        async with asyncio.timeout(5):
            while len(self.mesos.of("reconcile")) < count:
                await asyncio.sleep(0.001)
        return [call[0] for call in self.mesos.of("reconcile")]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "_FIRST_WAIT", 0.02)


def test_all_are_asked_for_then_mesos_tells_what_it_knows() -> None:
    async def run() -> None:
        some = [make_instance(condition=Condition.RUNNING) for _ in range(2500)]
        parts = Parts(*some)
        async with parts.running():
            parts.reconciler.subscribed()
            calls = await parts.asked(4)
            assert [len(call) for call in calls] == [1000, 1000, 500, 0]
            assert {task for call in calls for task, _ in call} == {one.task_id for one in some}

    asyncio.run(run())


def test_those_without_an_answer_are_asked_for_again() -> None:
    async def run() -> None:
        a, b = make_instance(condition=Condition.RUNNING), make_instance(condition=Condition.RUNNING)
        parts = Parts(a, b)
        async with parts.running():
            parts.reconciler.subscribed()
            await parts.asked(2)
            parts.reconciler.answered(a.task_id)
            calls = await parts.asked(3)
            assert calls[2] == [(b.task_id, "agent-1")]
            parts.registry.forget(b)
            await asyncio.sleep(0.2)
            assert len(parts.mesos.of("reconcile")) <= 5
            assert parts.reconciler.unanswered == 0
            settled = len(parts.mesos.of("reconcile"))
            await asyncio.sleep(0.1)
            assert len(parts.mesos.of("reconcile")) == settled, "it is over"

    asyncio.run(run())


def test_a_launch_on_its_way_is_not_asked_for() -> None:
    async def run() -> None:
        parts = Parts()
        parts.registry.add(make_instance(staged_at=clock.now()))
        async with parts.running():
            parts.reconciler.subscribed()
            assert await parts.asked(1) == [[]]

    asyncio.run(run())


def test_a_launch_of_the_leader_before_is_asked_for_at_once() -> None:
    async def run() -> None:
        one = make_instance(staged_at=clock.now())
        parts = Parts(one)
        async with parts.running():
            parts.reconciler.subscribed()
            assert await parts.asked(2) == [[(one.task_id, "agent-1")], []]

    asyncio.run(run())


def test_a_launch_that_nobody_spoke_of_is_asked_for() -> None:
    async def run() -> None:
        one = make_instance()
        parts = Parts()
        parts.registry.add(one)
        async with parts.running():
            parts.reconciler.subscribed()
            assert await parts.asked(2) == [[(one.task_id, "agent-1")], []]

    asyncio.run(run())


def test_it_is_done_now_and_then() -> None:
    async def run() -> None:
        parts = Parts(interval=0.02)
        async with parts.running():
            assert await parts.asked(3) == [[], [], []]
            assert parts.reconciler.rounds >= 3

    asyncio.run(run())


def test_without_a_subscription_it_waits_for_one() -> None:
    async def run() -> None:
        parts = Parts(make_instance(condition=Condition.RUNNING))
        async with parts.running():
            parts.mesos.connected = False
            parts.mesos.refuse = MesosError("not subscribed", refused=True)
            parts.reconciler.subscribed()
            await asyncio.sleep(0.05)
            parts.mesos.connected, parts.mesos.refuse = True, None
            await asyncio.sleep(0.05)
            assert parts.mesos.calls == []
            parts.reconciler.subscribed()
            assert len(await parts.asked(2)) == 2

    asyncio.run(run())
