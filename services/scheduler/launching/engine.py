"""The parts that keep tasks as they are wanted, put together: what a leader starts and a deposed one stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from services.scheduler.definitions.app import App
from services.scheduler.events import EventBus
from services.scheduler.instances import failures, registry
from services.scheduler.instances.failures import Failures
from services.scheduler.instances.instance import Instance
from services.scheduler.instances.reconcile import Reconciler
from services.scheduler.instances.registry import Registry
from services.scheduler.instances.statuses import Statuses
from services.scheduler.instances.supervisor import Supervisor
from services.scheduler.instances.timers import Timers
from services.scheduler.launching.killer import Killer
from services.scheduler.launching.launcher import Launcher
from services.scheduler.launching.queue import LaunchQueue
from services.scheduler.mesos import framework
from services.scheduler.mesos.client import MesosClient
from services.scheduler.placement.matching import Policy
from services.scheduler.placement.new_relic import NewRelic
from services.scheduler.placement.task_info import TaskSettings
from services.scheduler.settings import Settings

log = logging.getLogger(__name__)

Json = Mapping[str, Any]


class Store(registry.Store, failures.Store, Protocol):
    """What is kept of running things."""

    async def set_framework_id(self, framework_id: str | None) -> None:
        """Kept before the first task is launched: a later leader finds the tasks by it."""


class Engine:
    """`run()` works until it is cancelled and raises what ends the leadership: the store's errors, FrameworkGoneError.

    `apps()`: all applications as they are wanted now; `locked(app id)`: a deployment looks after it.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        bus: EventBus,
        *,
        apps: Callable[[], Mapping[str, App]],
        locked: Callable[[str], bool],
        instances: Iterable[Instance] = (),
        failures: Mapping[str, Json] | None = None,
        framework_id: str | None = None,
    ) -> None:
        self._store = store
        self._bus = bus
        self._stored_id = framework_id
        self._subscribed = asyncio.Event()
        self.registry = Registry(store, bus, instances)
        self.queue = LaunchQueue()
        self.failures = Failures(store, failures)
        self.mesos = _client(settings, framework_id, {app.role for app in apps().values()})
        self.mesos.on_event = self.handle
        self.launcher = Launcher(
            self.mesos,
            self.queue,
            self.registry,
            task_settings=TaskSettings(
                mesos_user=settings.mesos_user,
                env_vars_prefix=settings.env_vars_prefix or "",
                mesos_bridge_name=settings.mesos_bridge_name,
                new_relic=NewRelic(settings.new_relic_license, settings.new_relic_labels),
            ),
            policy=Policy(draining_seconds=settings.draining_seconds),
            max_instances_per_offer=settings.max_instances_per_offer,
            decline_seconds=settings.decline_offer_duration / 1000,
            revive_interval=settings.min_revive_offers_interval / 1000,
        )

        def app_of(app_id: str) -> App | None:
            return apps().get(app_id)

        self.killer = Killer(
            self.mesos,
            self.registry,
            bus,
            app_of,
            drain_seconds=settings.kill_drain_seconds,
            takeover=len(self.registry.all()) > 0,
        )
        self.statuses = Statuses(
            self.mesos,
            self.registry,
            self.failures,
            bus,
            app_of=app_of,
            failed=lambda app, ran: self.queue.failed(app, ran=ran),
            asked=self.killer.is_killing,
        )
        self.reconciler = Reconciler(self.mesos, self.registry, interval=settings.reconciliation_interval / 1000)
        self.supervisor = Supervisor(self.registry, self.queue, self.killer, apps, locked)
        self.timers = Timers(
            self.registry,
            self.killer,
            app_of,
            confirm_seconds=settings.task_launch_confirm_timeout / 1000,
            launch_seconds=settings.task_launch_timeout / 1000,
        )

    @property
    def framework_id(self) -> str | None:
        """As Mesos knows us; None before the very first subscription."""
        return self.mesos.framework_id

    async def run(self) -> None:
        """All parts at once; the first that fails ends all."""
        parts = (
            self.registry.run,
            self.mesos.run,
            self._introduce,
            self.launcher.run,
            self.killer.run,
            self.statuses.run,
            self.reconciler.run,
            self.timers.run,
            self.supervisor.run,
        )
        tasks = [asyncio.create_task(part(), name=part.__qualname__) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            raise RuntimeError(f"{', '.join(task.get_name() for task in done)} ended by itself")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.mesos.close()

    def handle(self, event: Json) -> None:
        """An event of the Mesos master."""
        match event["type"]:
            case "OFFERS":
                self.launcher.offer(event["offers"]["offers"])
            case "UPDATE":
                status = event["update"]["status"]
                self.reconciler.answered(status["task_id"]["value"])
                self.statuses.handle(status)
            case "RESCIND":
                self.launcher.rescind(event["rescind"]["offer_id"]["value"])
            case "SUBSCRIBED":
                self._region(event["subscribed"].get("master_info", {}))
                self._subscribed.set()
            case "DISCONNECTED":
                self.launcher.disconnected()
                self._bus.publish("scheduler_disconnected_event")
            case "FAILURE":
                log.info("Mesos tells the failure of %s", _failed(event.get("failure", {})))
            case other:
                log.debug("event of Mesos not used: %s", other)

    async def _introduce(self) -> None:
        """After each subscription: keep the framework's id, then begin to work."""
        while True:
            await self._subscribed.wait()
            self._subscribed.clear()
            framework_id = self.mesos.framework_id
            first = self._stored_id is None
            if framework_id != self._stored_id:
                await self._store.set_framework_id(framework_id)
                self._stored_id = framework_id
            master = self.mesos.master or ""
            if first:
                self._bus.publish("scheduler_registered_event", frameworkId=framework_id, master=master)
            else:
                self._bus.publish("scheduler_reregistered_event", master=master)
            self.launcher.subscribed()
            self.killer.reconnected()
            self.reconciler.subscribed()

    def _region(self, master: Json) -> None:
        region = master.get("domain", {}).get("fault_domain", {}).get("region", {}).get("name")
        self.launcher.policy = replace(self.launcher.policy, home_region=region)


def _client(settings: Settings, framework_id: str | None, roles: Collection[str]) -> MesosClient:
    return MesosClient(
        framework.detector(settings),
        settings.mesos_authentication_principal,
        settings.mesos_authentication_secret_file,
        framework.info(settings, framework_id, roles),
        heartbeat_failures=settings.mesos_heartbeat_failure_threshold,
    )


def _failed(failure: Json) -> str:
    agent = failure.get("agent_id", {}).get("value", "an unknown agent")
    executor = failure.get("executor_id", {}).get("value")
    return f"executor {executor} on {agent}" if executor else f"agent {agent}"
