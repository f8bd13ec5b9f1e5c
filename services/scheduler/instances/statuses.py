"""Task statuses as they come from Mesos: applied at once, acknowledged when what they changed is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.scheduler import clock
from services.scheduler.definitions.app import App
from services.scheduler.events import EventBus
from services.scheduler.instances import updates
from services.scheduler.instances.failures import Failures
from services.scheduler.instances.instance import Condition, Instance, instance_of_task
from services.scheduler.instances.pace import each
from services.scheduler.instances.registry import Registry
from services.scheduler.mesos.calls import MesosCalls
from services.scheduler.mesos.client import MesosError

log = logging.getLogger(__name__)

Json = Mapping[str, Any]
_RUNS = (Condition.STAGING, Condition.STARTING, Condition.RUNNING)


class Statuses:
    """`handle` takes a status; `run()` acknowledges until it is cancelled and raises what the store raises.

    `failed(app, seconds it ran)` is told of each failure of an application's present configuration;
    `asked(instance id)`: we are killing it, so that its end is no failure.
    """

    def __init__(
        self,
        mesos: MesosCalls,
        registry: Registry,
        failures: Failures,
        bus: EventBus,
        *,
        app_of: Callable[[str], App | None],
        failed: Callable[[App, float], None],
        asked: Callable[[str], bool],
    ) -> None:
        self.handled = 0
        self._mesos = mesos
        self._registry = registry
        self._failures = failures
        self._bus = bus
        self._app_of = app_of
        self._failed = failed
        self._asked = asked
        self._unacknowledged: list[Json] = []
        self._unknown: dict[str, str] = {}  # task id -> agent id: to be killed
        self._work = asyncio.Event()

    def handle(self, status: Json) -> None:
        """A TaskStatus of an UPDATE event, new or an answer to a reconciliation."""
        self.handled += 1
        task_id = status["task_id"]["value"]
        instance = self._registry.get(instance_of_task(task_id))
        try:
            if instance is not None and instance.task_id == task_id:
                self._known(instance, status)
            else:
                self._not_known(task_id, status)
        except (KeyError, TypeError, ValueError):
            log.exception("status of %s is not understood: %s", task_id, status)
        if "uuid" in status:
            self._unacknowledged.append(status)
            self._work.set()

    async def run(self) -> None:
        """Acknowledge what is stored, kill what nobody knows."""
        while True:
            await self._work.wait()
            self._work.clear()
            statuses, self._unacknowledged = self._unacknowledged, []
            unknown, self._unknown = self._unknown, {}
            await self._registry.flush()
            await self._failures.flush()
            await each(statuses, self._acknowledge)
            await each(unknown.items(), self._kill)

    def _known(self, instance: Instance, status: Json) -> None:
        state, healthy = instance.mesos_state, instance.healthy
        effect = updates.effect(instance, status, asked=self._asked(instance.id))
        if not effect.changes and not effect.over:
            return
        self._registry.update(instance, **effect.changes)
        if instance.mesos_state != state or instance.healthy != healthy:
            publish_status(self._bus, instance, status.get("message", ""))
        if effect.unhealthy:
            self._publish_unhealthy(instance, status)
        if effect.failed:
            self._failures.record(instance, status["state"], status.get("message", ""))
            self._work.set()
        if effect.delays:
            self._delay(instance)
        if effect.over:
            self._registry.forget(instance)

    def _delay(self, instance: Instance) -> None:
        app = self._app_of(instance.app_id)
        if app is not None and instance.version >= app.last_config_change_at:
            self._failed(app, clock.since(instance.started_at) if instance.started_at else 0.0)

    def _not_known(self, task_id: str, status: Json) -> None:
        """A task of ours that is not in the registry: it was given up, so it must not run."""
        condition = updates.condition_of(status)
        if condition.is_terminal:
            if "uuid" in status:
                instance_id = instance_of_task(task_id)
                self._bus.publish(
                    "unknown_instance_terminated_event",
                    instanceId=instance_id,
                    runSpecId="/" + instance_id.split(".", 1)[0].replace("_", "/"),
                    condition=condition.value,
                )
        elif condition in _RUNS:
            log.warning("task %s runs and is not known: it is killed", task_id)
            self._unknown[task_id] = status.get("agent_id", {}).get("value", "")
            self._work.set()

    def _publish_unhealthy(self, instance: Instance, status: Json) -> None:
        self._bus.publish(
            "unhealthy_instance_kill_event",
            appId=instance.app_id,
            taskId=instance.task_id,
            instanceId=instance.id,
            version=instance.version,
            reason=status.get("message", ""),
            host=instance.hostname,
            slaveId=instance.agent_id,
        )

    async def _acknowledge(self, status: Json) -> None:
        try:
            await self._mesos.acknowledge(status)
        except MesosError as error:  # the agent sends it again
            log.info("not acknowledged: %s", error)

    async def _kill(self, task: tuple[str, str]) -> None:
        task_id, agent_id = task
        try:
            await self._mesos.kill(task_id, agent_id)
        except MesosError as error:  # the next reconciliation finds it again
            log.warning("unknown task %s is not killed: %s", task_id, error)


def publish_status(bus: EventBus, instance: Instance, message: str = "") -> None:
    """`status_update_event`: the state that the API shows for the task has changed."""
    bus.publish(
        "status_update_event",
        slaveId=instance.agent_id,
        taskId=instance.task_id,
        taskStatus=instance.mesos_state,
        message=message,
        appId=instance.app_id,
        host=instance.hostname,
        ipAddresses=addresses(instance.ip_addresses),
        ports=list(instance.host_ports),
        version=instance.version,
    )


def addresses(values: Sequence[str]) -> list[dict[str, str]]:
    """IP addresses in the API's shape."""
    return [{"ipAddress": value, "protocol": "IPv6" if ":" in value else "IPv4"} for value in values]
