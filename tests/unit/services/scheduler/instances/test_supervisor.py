"""The number of instances is kept, and by nobody else than a deployment where there is one."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable

import pytest
from unit.services.scheduler.instances.recording import MemoryStore, Told, make_app, make_instance

from services.scheduler.definitions.app import App
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.registry import Registry
from services.scheduler.instances.supervisor import Supervisor
from services.scheduler.launching.queue import LaunchQueue

C = Condition


class Parts:
    def __init__(self, *instances: Instance, apps: Iterable[App] = (), locked: Iterable[str] = ()) -> None:
        self.registry = Registry(MemoryStore(), Told().bus, instances)
        self.queue = LaunchQueue()
        self.killed: list[Instance] = []
        self.apps = {app.id: app for app in apps}
        self.locked = set(locked)
        self.supervisor = Supervisor(
            self.registry, self.queue, self, lambda: self.apps, self.locked.__contains__, interval=0.05
        )

    def kill(self, instances: Iterable[Instance], *, wipe: bool = False, drain: bool = True) -> None:
        for instance in list(instances):
            self.killed.append(instance)
            self.registry.update(instance, condition=C.KILLING)


NUMBERS = {  # conditions, wanted, waiting before, waiting after, killed
    "all there": ([C.RUNNING, C.RUNNING], 2, 0, 0, 0),
    "one is missing": ([C.RUNNING], 2, 0, 1, 0),
    "it waits already": ([C.RUNNING], 2, 1, 1, 0),
    "more wait than needed": ([C.RUNNING], 2, 5, 1, 0),
    "one too many": ([C.RUNNING, C.RUNNING], 1, 0, 0, 1),
    "less is wanted while some wait": ([C.RUNNING], 1, 3, 0, 0),
    "those on their way count": ([C.PROVISIONED, C.STAGING, C.UNREACHABLE], 3, 0, 0, 0),
    "those that leave do not count": ([C.KILLING, C.UNREACHABLE_INACTIVE], 2, 0, 2, 0),
    "none": ([C.RUNNING], 0, 0, 0, 1),
}


@pytest.mark.parametrize(("conditions", "wanted", "waiting", "after", "killed"), NUMBERS.values(), ids=NUMBERS)
def test_numbers(conditions: list[Condition], wanted: int, waiting: int, after: int, killed: int) -> None:
    web = make_app(instances=wanted)
    parts = Parts(*[make_instance(condition=condition) for condition in conditions], apps=[web])
    parts.queue.set(web, waiting)
    parts.supervisor.check("/web")
    parts.supervisor.check("/web")
    assert parts.queue.count("/web") == after
    assert len(parts.killed) == killed


def test_a_deployment_is_left_alone() -> None:
    parts = Parts(make_instance(condition=C.RUNNING), apps=[make_app(instances=3)], locked=["/web"])
    parts.supervisor.check("/web")
    assert parts.queue.count("/web") == 0
    parts.locked.clear()
    parts.supervisor.check("/web")
    assert parts.queue.count("/web") == 2


def test_an_application_that_is_gone_has_no_instances() -> None:
    web = make_app()
    parts = Parts(make_instance(condition=C.RUNNING))
    parts.queue.add(web)
    parts.supervisor.check("/web")
    assert len(parts.killed) == 1
    assert parts.queue.count("/web") == 0


def test_what_waits_is_of_the_present_version() -> None:
    web = make_app(instances=2)
    newer = dataclasses.replace(web, version="2026-02-01T00:00:00.000Z")
    parts = Parts(apps=[newer])
    parts.queue.set(web, 2)
    parts.supervisor.check("/web")
    item = parts.queue.get("/web")
    assert item is not None
    assert (item.app, item.count) == (newer, 2)


def test_it_looks_at_what_changes_and_at_everything_now_and_then() -> None:
    async def run() -> None:
        web, api = make_app("/web"), make_app("/api")
        one, other = make_instance("/web", condition=C.RUNNING), make_instance("/api", condition=C.RUNNING)
        parts = Parts(one, other, apps=[web, api])
        task = asyncio.create_task(parts.supervisor.run())
        await asyncio.sleep(0.01)
        parts.registry.forget(one)
        await asyncio.sleep(0.01)
        assert parts.queue.count("/web") == 1
        parts.apps["/api"] = dataclasses.replace(api, instances=2)  # nobody says so
        await asyncio.sleep(0.1)
        assert parts.queue.count("/api") == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
