"""All that a leading scheduler has, put together when leadership is won and stopped when it is lost."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from services.scheduler import clock
from services.scheduler.deployments.manager import DeploymentManager
from services.scheduler.deployments.parts import Parts
from services.scheduler.deployments.readiness import ReadinessChecker
from services.scheduler.events import EventBus
from services.scheduler.instances.failures import Failures
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.registry import Change, Registry
from services.scheduler.instances.supervisor import Supervisor
from services.scheduler.launching.engine import Engine
from services.scheduler.launching.killer import Killer
from services.scheduler.launching.launcher import Launcher
from services.scheduler.launching.queue import LaunchQueue
from services.scheduler.mesos.client import MesosClient
from services.scheduler.metrics import Metrics
from services.scheduler.root import Root
from services.scheduler.settings import Settings
from services.scheduler.storage.zookeeper import Snapshot, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Core:
    """What the API works with while this scheduler leads."""

    settings: Settings
    store: Store
    bus: EventBus
    root: Root
    engine: Engine
    deployments: DeploymentManager
    readiness: ReadinessChecker
    metrics: Metrics
    started_at: str  # of the leadership
    ended: asyncio.Task[None]  # raises what ended the leadership from within: the store's errors, FrameworkGoneError

    @property
    def registry(self) -> Registry:
        """All instances."""
        return self.engine.registry

    @property
    def queue(self) -> LaunchQueue:
        """What waits for offers."""
        return self.engine.queue

    @property
    def launcher(self) -> Launcher:
        """Offers in, tasks out."""
        return self.engine.launcher

    @property
    def killer(self) -> Killer:
        """Ends instances."""
        return self.engine.killer

    @property
    def supervisor(self) -> Supervisor:
        """Keeps the number of instances outside of deployments."""
        return self.engine.supervisor

    @property
    def failures(self) -> Failures:
        """Last failures of tasks."""
        return self.engine.failures

    @property
    def mesos(self) -> MesosClient:
        """The subscription with the Mesos master."""
        return self.engine.mesos

    @property
    def framework_id(self) -> str | None:
        """As Mesos knows us; None before the very first subscription."""
        return self.engine.framework_id

    async def stop(self) -> None:
        """Leadership is lost: nothing goes on, what is under way is stored for the next leader."""
        await self.deployments.stop()
        await self.readiness.close()
        self.ended.cancel()
        await asyncio.gather(self.ended, return_exceptions=True)
        self.bus.close()


async def start(settings: Settings, store: Store, metrics: Metrics) -> Core:
    """Loads what is stored and goes on from there. Raises what the store raises."""
    snapshot = await store.load()
    core = assemble(settings, store, metrics, snapshot)
    await core.deployments.resume(snapshot.deployments.values())
    log.info(
        "leading %d applications with %d instances, %d deployments under way",
        len(snapshot.apps),
        len(snapshot.instances),
        len(core.deployments.all()),
    )
    return core


def assemble(settings: Settings, store: Store, metrics: Metrics, snapshot: Snapshot) -> Core:
    """All parts on top of what was stored, at work but for the deployments."""
    bus = EventBus()
    root = Root.of_stored(store, snapshot.apps, snapshot.groups)

    def locked(app_id: str) -> bool:  # the engine and the deployments need each other
        return deployments.is_locked(app_id)

    engine = Engine(
        settings,
        store,
        bus,
        apps=root.apps,
        locked=locked,
        instances=snapshot.instances,
        failures=snapshot.failures,
        framework_id=snapshot.framework_id,
    )

    def ready(instance: Instance) -> None:
        engine.registry.update(instance, ready=True)

    def changed(instance: Instance, change: Change) -> None:  # noqa: ARG001 - the registry's signature
        deployments.wake(instance.app_id)

    readiness = ReadinessChecker(ready)
    deployments = DeploymentManager(
        root,
        Parts(engine.registry, engine.queue, engine.killer, readiness, bus),
        store,
        maximum=settings.max_running_deployments,
        unlocked=engine.supervisor.look_at,
    )
    engine.registry.listen(changed)
    root.listen(lambda group: engine.failures.keep_only(group.all_apps().keys()))
    started_at = clock.now()
    _measure(metrics, root, engine, deployments, started_at)
    ended = asyncio.create_task(engine.run(), name="engine")
    return Core(settings, store, bus, root, engine, deployments, readiness, metrics, started_at, ended)


def _measure(metrics: Metrics, root: Root, engine: Engine, deployments: DeploymentManager, started_at: str) -> None:
    """Gauges under Marathon's names."""

    def count(*conditions: Condition) -> int:
        return sum(instance.condition in conditions for instance in engine.registry.all())

    metrics.gauge("marathon.apps.active.gauge", lambda: len(root.group.all_apps()))
    metrics.gauge("marathon.groups.active.gauge", lambda: sum(1 for _ in root.group.transitive_groups()))
    metrics.gauge("marathon.deployments.active.gauge", lambda: len(deployments.all()))
    metrics.gauge("marathon.leadership.duration.gauge.seconds", lambda: clock.since(started_at))
    metrics.gauge("marathon.instances.running.gauge", lambda: count(Condition.RUNNING))
    metrics.gauge(
        "marathon.instances.staged.gauge", lambda: count(Condition.PROVISIONED, Condition.STAGING, Condition.STARTING)
    )
    metrics.gauge("marathon.instances.inflight-kills.gauge", lambda: count(Condition.KILLING))
    metrics.gauge("marathon.launch-queue.instances.gauge", lambda: sum(item.count for item in engine.queue.items()))
    metrics.gauge("marathon.tasks.launched.gauge", lambda: engine.launcher.launched)
    metrics.gauge("marathon.mesos.connected.gauge", lambda: int(engine.mesos.connected))
