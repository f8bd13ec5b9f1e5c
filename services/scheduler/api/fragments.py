"""Applications and tasks as JSON, kept until they change: most of a large answer is what it was before."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import orjson

from services.scheduler import clock
from services.scheduler.api import queries
from services.scheduler.definitions import output
from services.scheduler.definitions.app import App
from services.scheduler.instances.instance import Condition, Instance

_STAGED = frozenset({Condition.PROVISIONED, Condition.CREATED, Condition.STAGING, Condition.STARTING})
_STATES = {
    Condition.PROVISIONED: "TASK_STAGING",
    Condition.CREATED: "TASK_STAGING",
    Condition.KILLING: "TASK_KILLING",  # from the moment it is decided: routers drain it
    Condition.UNREACHABLE: "TASK_UNREACHABLE",
    Condition.UNREACHABLE_INACTIVE: "TASK_UNREACHABLE",
}


def state(instance: Instance) -> str:
    """The task's state in the API."""
    return _STATES.get(instance.condition, instance.mesos_state)


def task(instance: Instance, service_ports: Collection[int]) -> dict[str, Any]:
    """One task in the API's shape."""
    document: dict[str, Any] = {
        "appId": instance.app_id,
        "host": instance.hostname,
        "id": instance.task_id,
        "ports": instance.host_ports,
        "servicePorts": service_ports,
        "slaveId": instance.agent_id,
        "state": state(instance),
        "stagedAt": instance.staged_at,
        "version": instance.version,
        "role": instance.role,
        "localVolumes": [],
        "ipAddresses": [
            {"ipAddress": address, "protocol": "IPv6" if ":" in address else "IPv4"}
            for address in instance.ip_addresses
        ],
    }
    if instance.started_at is not None:
        document["startedAt"] = instance.started_at
    if instance.region is not None:
        document["region"] = instance.region
    if instance.zone is not None:
        document["zone"] = instance.zone
    if instance.healthy is not None:
        document["healthCheckResults"] = [_health(instance)]
    return document


def _health(instance: Instance) -> dict[str, Any]:
    result: dict[str, Any] = {
        "alive": instance.healthy,
        "consecutiveFailures": instance.consecutive_failures,
        "instanceId": instance.id,
    }
    if instance.healthy:
        result |= {"firstSuccess": instance.health_since, "lastSuccess": instance.health_since}
    else:
        result |= {"lastFailure": instance.health_since, "lastFailureCause": instance.message}
    return result


def counts(instances: Iterable[Instance]) -> dict[str, int]:
    """Staged, running, healthy and unhealthy ones."""
    staged = running = healthy = unhealthy = 0
    for instance in instances:
        if instance.condition is Condition.RUNNING:
            running += 1
            healthy += instance.healthy is True
            unhealthy += instance.healthy is False
        elif instance.condition in _STAGED:
            staged += 1
    return {"staged": staged, "running": running, "healthy": healthy, "unhealthy": unhealthy}


def task_stats(app: App, instances: Collection[Instance]) -> dict[str, Any]:
    """`taskStats`: all together, and by how they relate to the last changes of the application."""
    parts = {
        "startedAfterLastScaling": [each for each in instances if each.version >= app.last_scaling_at],
        "withLatestConfig": [each for each in instances if each.version >= app.last_config_change_at],
        "withOutdatedConfig": [each for each in instances if each.version < app.last_config_change_at],
        "totalSummary": instances,
    }
    return {name: {"stats": _stats(some)} for name, some in parts.items() if some}


def _stats(instances: Collection[Instance]) -> dict[str, Any]:
    ages = [clock.since(instance.started_at) for instance in instances if instance.started_at]
    stats: dict[str, Any] = {"counts": counts(instances)}
    if ages:
        stats["lifeTime"] = {"averageSeconds": statistics.fmean(ages), "medianSeconds": statistics.median(ages)}
    return stats


class Fragments:
    """`deployments` gives the ids of an application's deployments, `readiness` the results of its checks, `failure`
    its last one: all of them for the document, or None."""

    def __init__(
        self,
        instances: Callable[[str], Mapping[str, Instance]],
        *,
        deployments: Callable[[str], Iterable[str]],
        readiness: Callable[[str], list[dict[str, Any]]],
        failure: Callable[[str], Mapping[str, Any] | None],
    ) -> None:
        self._instances = instances
        self._deployments = deployments
        self._readiness = readiness
        self._failure = failure
        self._tasks: dict[str, tuple[tuple[int, ...], bytes]] = {}
        self._apps: dict[str, tuple[App, bytes]] = {}

    def forget(self, instance: Instance, _change: object = None) -> None:
        """It changed: for the registry's listeners."""
        self._tasks.pop(instance.id, None)

    def task(self, instance: Instance, service_ports: tuple[int, ...]) -> bytes:
        """One task."""
        kept = self._tasks.get(instance.id)
        if kept is not None and kept[0] == service_ports:
            return kept[1]
        made = orjson.dumps(task(instance, service_ports))
        self._tasks[instance.id] = (service_ports, made)
        return made

    def tasks(self, app: App) -> Iterator[bytes]:
        """The tasks of an application that are not over."""
        ports = app.service_ports
        for instance in tuple(self._instances(app.id).values()):
            if not instance.condition.is_terminal:
                yield self.task(instance, ports)

    def app(self, app: App, embeds: Collection[str]) -> bytes:
        """An application with what is to be shown of its run."""
        parts = [self._definition(app)]
        if not embeds:
            return b"{" + parts[0] + b"}"
        instances = [each for each in self._instances(app.id).values() if not each.condition.is_terminal]
        if queries.COUNTS in embeds:
            found = counts(instances)
            parts.append(
                b'"tasksStaged":%d,"tasksRunning":%d,"tasksHealthy":%d,"tasksUnhealthy":%d'
                % (found["staged"], found["running"], found["healthy"], found["unhealthy"])
            )
        if queries.DEPLOYMENTS in embeds:
            ids = [{"id": deployment} for deployment in self._deployments(app.id)]
            parts.append(b'"deployments":' + orjson.dumps(ids))
        if queries.READINESS in embeds:
            parts.append(b'"readinessCheckResults":' + orjson.dumps(self._readiness(app.id)))
        if queries.TASKS in embeds:
            ports = app.service_ports
            parts.append(b'"tasks":[' + b",".join(self.task(instance, ports) for instance in instances) + b"]")
        if queries.FAILURE in embeds and (failure := self._failure(app.id)) is not None:
            parts.append(b'"lastTaskFailure":' + orjson.dumps(failure))
        if queries.STATS in embeds:
            parts.append(b'"taskStats":' + orjson.dumps(task_stats(app, instances)))
        return b"{" + b",".join(parts) + b"}"

    def keep_only(self, app_ids: Collection[str]) -> None:
        """Forget applications that are gone."""
        for app_id in self._apps.keys() - app_ids:
            del self._apps[app_id]

    def _definition(self, app: App) -> bytes:
        """The definition without the braces around it."""
        kept = self._apps.get(app.id)
        if kept is not None and kept[0] is app:
            return kept[1]
        made = orjson.dumps(output.app(app))[1:-1]
        self._apps[app.id] = (app, made)
        return made
