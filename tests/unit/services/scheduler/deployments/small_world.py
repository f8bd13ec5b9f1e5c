"""A scheduler in memory for the tests of deployments: the real registry and queue, a cluster that obeys at once."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from services.scheduler import clock
from services.scheduler.definitions.app import App
from services.scheduler.definitions.group import Group
from services.scheduler.deployments import executor
from services.scheduler.deployments.manager import DeploymentManager
from services.scheduler.deployments.parts import Parts
from services.scheduler.deployments.readiness import ReadinessChecker
from services.scheduler.events import Event, EventBus
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.registry import Change, Registry
from services.scheduler.launching.queue import LaunchQueue
from services.scheduler.root import Root
from services.scheduler.storage.zookeeper import Snapshot


class MemoryStore:
    """Keeps what it is given; `broken` makes the next write fail."""

    def __init__(self) -> None:
        self.deployments: dict[str, Mapping[str, Any]] = {}
        self.apps: dict[tuple[str, str], App] = {}
        self.current: dict[str, App] = {}
        self.roots: dict[str, tuple[Mapping[str, Mapping[str, Any]], Mapping[str, str]]] = {}
        self.instances: dict[str, Instance] = {}
        self.failures: dict[str, Mapping[str, Any]] = {}
        self.framework_id: str | None = None
        self.broken = False

    def _check(self) -> None:
        if self.broken:
            self.broken = False
            raise OSError("the store is away")

    async def load(self) -> Snapshot:
        newest = self.roots[max(self.roots)][0] if self.roots else {}
        return Snapshot(
            framework_id=self.framework_id,
            apps=dict(self.current),
            groups=newest,
            instances=[copy.copy(instance) for instance in self.instances.values()],
            deployments=orjson.loads(orjson.dumps(self.deployments)),
            failures=dict(self.failures),
        )

    async def set_framework_id(self, framework_id: str | None) -> None:
        self.framework_id = framework_id

    async def save_failure(self, app_id: str, document: Mapping[str, Any]) -> None:
        self.failures[app_id] = document

    async def save_instances(self, instances: list[Instance]) -> None:
        await asyncio.sleep(0)
        self.instances |= {instance.id: copy.copy(instance) for instance in instances}

    async def delete_instances(self, ids: list[str]) -> None:
        for instance_id in ids:
            self.instances.pop(instance_id, None)

    async def save_deployment(self, deployment_id: str, document: Mapping[str, Any]) -> None:
        self.deployments[deployment_id] = document

    async def delete_deployment(self, deployment_id: str) -> None:
        self.deployments.pop(deployment_id, None)

    async def save_root(
        self,
        *,
        version: str,
        changed: Iterable[App],
        removed: Iterable[str],
        groups: Mapping[str, Mapping[str, Any]],
        apps: Mapping[str, str],
    ) -> None:
        await asyncio.sleep(0)
        self._check()
        for app in changed:
            self.apps[app.id, app.version] = self.current[app.id] = app
        for app_id in removed:
            del self.current[app_id]
        self.roots[version] = (groups, apps)

    async def load_version(self, app_id: str, version: str) -> App | None:
        return self.apps.get((app_id, version))

    async def load_root(self, version: str) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, str]] | None:
        return self.roots.get(version)

    def app_versions(self, app_id: str) -> Sequence[str]:
        return sorted(version for known, version in self.apps if known == app_id)

    def root_versions(self) -> Sequence[str]:
        return sorted(self.roots)


class World:
    """`sick`: images whose instances never become healthy; `room`: how many instances fit at all."""

    def __init__(
        self, store: MemoryStore | None = None, instances: Iterable[Instance] = (), *, maximum: int = 9
    ) -> None:
        self.store = store or MemoryStore()
        self.bus = EventBus()
        self.events: list[Event] = []
        self.bus.listen(self.events.append)
        self.registry = Registry(self.store, self.bus, instances)
        self.queue = LaunchQueue()
        self.queue.listen(self._wake)
        self.readiness = ReadinessChecker(lambda instance: self.registry.update(instance, ready=True))
        self.root = Root.of_stored(self.store, self.store.current, {})
        parts = Parts(self.registry, self.queue, self, self.readiness, self.bus)
        self.manager = DeploymentManager(self.root, parts, self.store, maximum=maximum)
        self.registry.listen(lambda instance, _: self.manager.wake(instance.app_id))
        self.registry.listen(self._watch)
        self.sick: set[str] = set()
        self.room = 1000
        self.launched: list[str] = []  # versions, in order
        self.killed: list[str] = []  # ids, in order
        self.most = 0  # instances at one time
        self.least = 1000  # that served at one time, once somebody noted it
        self._numbers = itertools.count()
        self._scheduled = False
        for instance in list(self.registry.all()):  # as the real killer does
            if instance.condition is Condition.KILLING:
                asyncio.get_running_loop().call_later(0.005, self.registry.forget, instance)

    # the killer
    def kill(self, instances: Iterable[Instance], *, wipe: bool = False) -> None:
        for instance in list(instances):
            self.killed.append(instance.id)
            if wipe:
                self.registry.forget(instance)
                continue
            self.registry.update(instance, condition=Condition.KILLING)
            asyncio.get_running_loop().call_later(0.005, self.registry.forget, instance)

    # the launcher
    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._launch)

    def _launch(self) -> None:
        self._scheduled = False
        for item in list(self.queue.items()):
            for _ in range(min(item.count, self.room - len(self.registry))):
                self.queue.taken(item.app.id)
                self.start(item.app)

    def start(self, app: App) -> Instance:
        self.launched.append(app.version)
        instance = Instance(
            id=f"{app.id.strip('/')}.instance-{next(self._numbers)}",
            app_id=app.id,
            version=app.version,
            role="*",
            agent_id="a1",
            hostname="127.0.0.1",
            attributes={},
            region=None,
            zone=None,
            host_ports=tuple(app.service_ports),
            staged_at=clock.now(),
        )
        asyncio.get_running_loop().create_task(self.registry.add_many([instance]))
        asyncio.get_running_loop().call_later(0.005, self._run, app, instance)
        return instance

    def _run(self, app: App, instance: Instance) -> None:
        if instance.condition is Condition.PROVISIONED:
            well = app.cmd not in self.sick
            self.registry.update(instance, condition=Condition.RUNNING, healthy=well if app.health_checks else None)

    def die(self, instance: Instance) -> None:
        self.registry.update(instance, condition=Condition.FAILED)
        self.registry.forget(instance)

    def _watch(self, instance: Instance, change: Change) -> None:
        self.most = max(self.most, len(self.registry.of(instance.app_id)))
        self.least = min(self.least, self.serving(instance.app_id))

    # for tests
    def serving(self, app_id: str) -> int:
        live = self.registry.of(app_id).values()
        return sum(i.condition is Condition.RUNNING and i.healthy is not False for i in live)

    def versions(self, app_id: str) -> list[str]:
        return sorted(instance.version for instance in self.registry.of(app_id).values())

    def note(self) -> None:
        """From here on count anew."""
        self.most, self.least = 0, 1000
        self.launched.clear()
        self.killed.clear()
        self.events.clear()

    def told(self) -> list[str]:
        return [event.type for event in self.events if not event.type.startswith("instance")]

    async def until(self, condition: Any, seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)

    async def deploy(self, *apps: App, remove: Iterable[str] = (), wait: bool = True, **options: Any) -> str:
        """The id of the deployment that brings these applications."""

        def target(root: Group, version: str) -> Group:
            for app in apps:
                root = root.with_app(app)
            for app_id in remove:
                root = root.without_app(app_id)
            return root

        made = await self.manager.deploy(target, **options)
        if wait:
            async with asyncio.timeout(10):
                await self.manager.finished(made.id)
        return made.id


def settle_fast(monkeypatch: Any) -> None:
    monkeypatch.setattr(executor, "SETTLE", 0.001)
    monkeypatch.setattr(executor, "LOOK_AGAIN", 0.2)
