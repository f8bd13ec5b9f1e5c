"""A leading scheduler, whole but for its API, on a simulated Mesos master and a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from mesos_simulator import MesosSimulator
from simulated_agent import SimulatedAgent, SimulatedTask
from unit.services.scheduler.deployments.small_world import MemoryStore

from services.scheduler import clock, core
from services.scheduler.core import Core
from services.scheduler.definitions import update
from services.scheduler.definitions.app import App, HealthCheck, PortDefinition, UpgradeStrategy
from services.scheduler.definitions.group import Group
from services.scheduler.events import Event
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.registry import Change
from services.scheduler.metrics import Metrics
from services.scheduler.settings import Settings


class Cluster:
    """A simulated master and a store; one leader after the other on them. `sick`: commands that are never healthy."""

    def __init__(self, agents: list[SimulatedAgent], settings: dict[str, Any]) -> None:
        self.mesos = MesosSimulator(agents, behaviour=self._behave, allocation_interval=0.01)
        self.store = MemoryStore()
        self.settings = settings
        self.sick: set[str] = set()
        self.broken: set[str] = set()  # commands that end at once
        self.events: list[Event] = []
        self.most = 0
        self.least = 1000

    def _behave(self, mesos: MesosSimulator, task: SimulatedTask) -> None:
        command = task.info["command"]["value"]
        mesos.update(task, "TASK_STARTING")
        if command in self.broken:
            mesos.later(0.01, lambda: task.id in mesos.tasks and mesos.end_task(task.id, "TASK_FAILED", "broken"))
            return
        mesos.update(task, "TASK_RUNNING")
        if "health_check" in task.info:
            mesos.later(0.02, lambda: mesos.set_healthy(task.id, healthy=command not in self.sick))

    @contextlib.asynccontextmanager
    async def leading(self) -> AsyncIterator[Core]:
        fast = {"kill_drain_seconds": 0.02, "min_revive_offers_interval": 20, **self.settings}
        settings = Settings(master=self.mesos.address, hostname="scheduler-1", **fast)
        self.core = await core.start(settings, self.store, Metrics())  # type: ignore[arg-type]
        self.core.bus.listen(self.events.append)
        self.core.registry.listen(self._watch)
        try:
            yield self.core
        finally:
            await self.core.stop()

    def _watch(self, instance: Instance, change: Change) -> None:
        there = self.core.registry.of(instance.app_id).values()
        self.most = max(self.most, len(there))
        self.least = min(self.least, self.serving(instance.app_id))

    def note(self) -> None:
        self.most, self.least = 0, 1000
        self.events.clear()

    def serving(self, app_id: str) -> int:
        there = self.core.registry.of(app_id).values()
        return sum(i.condition is Condition.RUNNING and i.healthy is not False for i in there)

    def versions(self, app_id: str) -> list[str]:
        return sorted(instance.version for instance in self.core.registry.of(app_id).values())

    def told(self) -> list[str]:
        return [event.type for event in self.events]

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 10) -> None:
        deadline = clock.monotonic() + seconds
        while not condition():
            if self.core.ended.done():
                self.core.ended.result()
            assert clock.monotonic() < deadline, f"not seen: {what}"
            await asyncio.sleep(0.005)

    async def deploy(self, *apps: App, remove: tuple[str, ...] = (), wait: bool = True, **options: Any) -> str:
        def target(root: Group, version: str) -> Group:
            for app in apps:
                root = root.with_app(app)
            for app_id in remove:
                root = root.without_app(app_id)
            return root

        made = await self.core.deployments.deploy(target, **options)
        if wait:
            await self.finished(made.id)
        return made.id

    async def finished(self, deployment_id: str) -> None:
        await self.until(lambda: self.core.deployments.get(deployment_id) is None, f"end of {deployment_id}")

    def is_as_wanted(self) -> bool:
        """No deployment is under way, and the right instances, no others, run and serve; Mesos has just those."""
        apps = self.core.root.apps()
        instances = self.core.registry.all()
        return (
            not self.core.deployments.all()
            and {instance.app_id for instance in instances} <= apps.keys()
            and all(self.serving(app_id) == app.instances for app_id, app in apps.items())
            and all(len(self.core.registry.of(app_id)) == app.instances for app_id, app in apps.items())
            and all(i.version >= apps[i.app_id].last_config_change_at for i in instances)
            and {instance.task_id for instance in instances} == self.mesos.tasks.keys()
        )

    def changed(self, old: App, **fields: Any) -> App:
        return update.restarted(replace(old, **fields), self.core.deployments.next_version())

    def scaled(self, old: App, instances: int) -> App:
        return update.scaled(old, instances, self.core.deployments.next_version())


def scenario(play: Callable[[Cluster], Awaitable[None]], agents: int = 3, **settings: Any) -> None:
    async def run() -> None:
        machines = [SimulatedAgent(f"127.0.0.{number + 1}", id=f"a-{number}") for number in range(agents)]
        cluster = Cluster(machines, settings)
        async with asyncio.timeout(90), cluster.mesos:
            await play(cluster)

    asyncio.run(run())


def app(app_id: str = "/team/web", *, cmd: str = "one", over: tuple[float, float] = (1.0, 1.0), **fields: Any) -> App:
    moment = clock.now()
    defaults: dict[str, Any] = {
        "instances": 4,
        "cpus": 0.1,
        "mem": 32.0,
        "health_checks": (HealthCheck(protocol="MESOS_HTTP", path="/", port_index=0),),
        "port_definitions": (PortDefinition(name="http"),),
        "backoff_seconds": 0.05,
    }
    return App(
        id=app_id,
        version=moment,
        last_scaling_at=moment,
        last_config_change_at=moment,
        cmd=cmd,
        upgrade_strategy=UpgradeStrategy(*over),
        **{**defaults, **fields},
    )
