"""An engine on a simulated Mesos master, with a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

import pytest
from mesos_simulator import MesosSimulator

from services.scheduler.definitions.app import App
from services.scheduler.events import Event, EventBus
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.launching.engine import Engine
from services.scheduler.settings import Settings

VERSION = "2026-01-01T00:00:00.000Z"


class MemoryStore:
    """Keeps what a ZooKeeper would; `broken` makes every write fail."""

    def __init__(self) -> None:
        self.instances: dict[str, Instance] = {}
        self.failures: dict[str, Mapping[str, Any]] = {}
        self.framework_id: str | None = None
        self.broken: Exception | None = None
        self.gate = asyncio.Event()  # writes wait until it is set
        self.gate.set()
        self.delay: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)

    async def _write(self) -> None:
        await self.gate.wait()
        await self.delay()
        if self.broken:
            raise self.broken

    async def save_instances(self, instances: list[Instance]) -> None:
        await self._write()
        self.instances |= {instance.id: copy.copy(instance) for instance in instances}

    async def delete_instances(self, ids: list[str]) -> None:
        await self._write()
        for instance_id in ids:
            self.instances.pop(instance_id, None)

    async def save_failure(self, app_id: str, document: Mapping[str, Any]) -> None:
        await self._write()
        self.failures[app_id] = document

    async def set_framework_id(self, framework_id: str | None) -> None:
        await self._write()
        self.framework_id = framework_id


class World:
    """What a leading scheduler has, without its API; several may follow each other on one store and master."""

    def __init__(self, mesos: MesosSimulator, store: MemoryStore, settings: Mapping[str, Any]) -> None:
        self.mesos = mesos
        self.store = store
        self.apps: dict[str, App] = {}
        self.locked: set[str] = set()
        self.bus = EventBus()
        self.events: list[Event] = []
        self.bus.listen(self.events.append)
        fast = {"kill_drain_seconds": 0.0, "min_revive_offers_interval": 100, **settings}
        self._settings = Settings(master=mesos.address, hostname="scheduler-1", **fast)

    def want(self, app: App) -> None:
        """As if a deployment of it were over."""
        self.apps[app.id] = app
        self.engine.supervisor.look_at(app.id)

    def running(self, app_id: str) -> list[Instance]:
        of = self.engine.registry.of(app_id).values()
        return [instance for instance in of if instance.condition is Condition.RUNNING]

    def events_of(self, kind: str) -> list[Mapping[str, Any]]:
        return [event.document for event in self.events if event.type == kind]

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 10) -> Any:
        """The first true value of `condition`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (value := condition()):
            if self._task.done():
                self._task.result()
            assert asyncio.get_running_loop().time() < deadline, f"after {seconds:g} s: {what}"
            await asyncio.sleep(0.005)
        return value

    @contextlib.asynccontextmanager
    async def leading(self) -> AsyncIterator[Engine]:
        """The engine of a leader, from what is in the store."""
        self.engine = Engine(
            self._settings,
            self.store,
            self.bus,
            apps=lambda: self.apps,
            locked=self.locked.__contains__,
            instances=[copy.copy(instance) for instance in self.store.instances.values()],
            failures=self.store.failures,
            framework_id=self.store.framework_id,
        )
        self._task = asyncio.create_task(self.engine.run())
        try:
            yield self.engine
        finally:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def ended(self) -> BaseException | None:
        """What the engine ended with."""
        await asyncio.wait({self._task}, timeout=10)
        assert self._task.done(), "the engine goes on"
        return self._task.exception()


@contextlib.asynccontextmanager
async def a_world(
    agents: Iterable[Any], settings: Mapping[str, Any] | None = None, **mesos: Any
) -> AsyncIterator[World]:
    async with MesosSimulator(agents, **mesos) as simulator:
        yield World(simulator, MemoryStore(), settings or {})


@pytest.fixture
def world() -> Callable[..., contextlib.AbstractAsyncContextManager[World]]:
    """`async with world([SimulatedAgent("a-1")]) as w: async with w.leading(): ...`"""
    return a_world


@pytest.fixture
def app() -> Callable[..., App]:
    """A small application; fields can be given."""

    def make(app_id: str = "/web", **fields: Any) -> App:
        versions = {"version": VERSION, "last_scaling_at": VERSION, "last_config_change_at": VERSION}
        return App(id=app_id, **{**versions, "cmd": "sleep 1d", "cpus": 0.1, "mem": 32.0, **fields})

    return make
