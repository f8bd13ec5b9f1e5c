"""Changes are told, published and stored, in their order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.registry import Change, Registry

MakeInstance = Callable[..., Instance]


@contextlib.asynccontextmanager
async def running(registry: Registry) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(registry.run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_views(store: Any, told: Any, instance: MakeInstance) -> None:
    web, api = instance("/web"), instance("/api")
    registry = Registry(store, told.bus, [web, api])
    assert registry.get(web.id) is web
    assert dict(registry.of("/web")) == {web.id: web}
    assert dict(registry.of("/none")) == {}
    assert set(registry.app_ids()) == {"/web", "/api"}
    assert len(registry) == len(registry.all()) == 2
    registry.forget(web)
    assert registry.get(web.id) is None
    assert set(registry.app_ids()) == {"/api"}
    registry.forget(web)
    assert told.events == [], "what was loaded and what is forgotten is no change"


def test_added_ones_are_stored_on_return(store: Any, told: Any, instance: MakeInstance) -> None:
    async def run() -> None:
        registry = Registry(store, told.bus)
        some = [instance() for _ in range(600)]
        async with running(registry):
            await registry.add_many(some)
            assert set(store.instances) == {one.id for one in some}
            assert [len(ids) for _, ids in store.log] == [250, 250, 100]

    asyncio.run(run())


def test_writes_come_in_order_and_only_the_last_counts(store: Any, told: Any, instance: MakeInstance) -> None:
    async def run() -> None:
        registry = Registry(store, told.bus)
        a, b, c = instance(), instance(), instance()
        async with running(registry):
            await registry.add_many([a, b, c])
            store.log.clear()
            registry.update(a, condition=Condition.STAGING)
            registry.update(b, condition=Condition.STAGING)
            registry.update(a, condition=Condition.RUNNING)
            registry.update(c, condition=Condition.FAILED)
            registry.forget(c)
            await registry.flush()
            assert store.log == [("save", (b.id, a.id)), ("delete", (c.id,))]
            assert store.instances[a.id].condition is Condition.RUNNING
            assert set(store.instances) == {a.id, b.id}
            await registry.flush()
            assert len(store.log) == 2, "nothing to write"

    asyncio.run(run())


def test_what_is_written_does_not_change_meanwhile(store: Any, told: Any, instance: MakeInstance) -> None:
    async def run() -> None:
        registry = Registry(store, told.bus)
        one = instance()
        seen: list[Condition] = []

        async def slow(instances: list[Instance]) -> None:
            await asyncio.sleep(0.02)
            seen.extend(some.condition for some in instances)

        store.save_instances = slow
        async with running(registry):
            registry.add(one)
            await asyncio.sleep(0.01)
            registry.update(one, condition=Condition.RUNNING)
            await registry.flush()
            assert seen == [Condition.PROVISIONED, Condition.RUNNING]

    asyncio.run(run())


def test_flush_during_a_write_waits_for_it(store: Any, told: Any, instance: MakeInstance) -> None:
    async def run() -> None:
        registry = Registry(store, told.bus)
        gate = asyncio.Event()
        save = store.save_instances

        async def slow(instances: list[Instance]) -> None:
            await gate.wait()
            await save(instances)

        store.save_instances = slow
        async with running(registry):
            registry.add(instance())
            await asyncio.sleep(0.01)  # the write is under way, nothing is unsaved
            flushed = asyncio.create_task(registry.flush())
            await asyncio.sleep(0.01)
            assert not flushed.done()
            gate.set()
            await asyncio.wait_for(flushed, 1)
            assert len(store.instances) == 1

    asyncio.run(run())


def test_a_store_that_fails_is_told_to_everyone(store: Any, told: Any, instance: MakeInstance) -> None:
    async def run() -> None:
        registry = Registry(store, told.bus)
        store.broken = ConnectionError("fenced")
        async with running(registry) as task:
            with pytest.raises(ConnectionError, match="fenced"):
                await asyncio.wait_for(registry.add_many([instance()]), 1)
            store.broken = None
            with pytest.raises(ConnectionError, match="fenced"):
                await asyncio.wait_for(registry.add_many([instance()]), 1)
            assert store.instances == {}, "nothing more is written"
            with pytest.raises(ConnectionError, match="fenced"):
                await task

    asyncio.run(run())


def test_listeners_and_times(store: Any, told: Any, instance: MakeInstance) -> None:
    registry = Registry(store, told.bus)
    seen: list[tuple[str, Change]] = []
    stop = registry.listen(lambda some, change: seen.append((some.condition.value, change)))
    one = instance()
    before = one.since
    registry.add(one)
    assert registry.update(one, condition=Condition.RUNNING)
    assert one.since > before
    began = one.since
    assert not registry.update(one, condition=Condition.RUNNING), "no change"
    assert registry.update(one, healthy=True)
    assert one.since == began
    assert one.health_since
    registry.forget(one)
    assert registry.update(one, condition=Condition.FAILED), "changed, but nobody is told"
    stop()
    registry.add(instance())
    assert seen == [
        ("Provisioned", Change.ADDED),
        ("Running", Change.CHANGED),
        ("Running", Change.CHANGED),
        ("Running", Change.FORGOTTEN),
    ]


def test_events(store: Any, told: Any, instance: MakeInstance) -> None:
    registry = Registry(store, told.bus)
    one = instance()
    registry.add(one)
    registry.update(one, condition=Condition.RUNNING, started_at="2026-01-01T00:00:00.000Z")
    registry.update(one, healthy=False)
    registry.update(one, ready=True)
    assert told.types() == [
        "instance_changed_event",
        "instance_changed_event",
        "instance_health_changed_event",
        "health_status_changed_event",
    ]
    assert told.of("instance_changed_event")[1] == {
        "instanceId": one.id,
        "condition": "Running",
        "runSpecId": "/web",
        "agentId": "agent-1",
        "host": "a-1",
        "runSpecVersion": one.version,
    }
    assert told.of("instance_health_changed_event") == [
        {"instanceId": one.id, "runSpecId": "/web", "healthy": False, "runSpecVersion": one.version}
    ]
    assert told.of("health_status_changed_event") == [
        {"appId": "/web", "taskId": one.task_id, "instanceId": one.id, "version": one.version, "alive": False}
    ]
