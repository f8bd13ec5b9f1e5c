"""Marathon's applications as the router needs them, from the JSON of `/v2/apps`: both network dialects. Pure.

A document that has not the expected shape becomes a problem of its application, never of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# What is used of an application's and a task's document, hence what is kept in memory and on disk.
APP_FIELDS = (
    *("id", "version", "versionInfo", "env", "labels", "healthChecks", "readinessChecks", "readinessCheckResults"),
    *("deployments", "ports", "portDefinitions", "networks", "ipAddress", "tasks"),
)
TASK_FIELDS = ("id", "host", "ports", "state", "version", "healthCheckResults", "ipAddresses")
RUNNING = "TASK_RUNNING"


class AppError(ValueError):
    """A document that is not an application."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """`path` is empty for checks without one; `port_index` is None when the check names its port itself."""

    protocol: str
    path: str
    port_index: int | None


@dataclass(frozen=True, slots=True)
class Task:
    """`ports` are those of the host. `alive` and `ready` are Bamboo's; `served` is the router's own verdict."""

    id: str
    host: str
    ports: tuple[int, ...]
    state: str
    addresses: tuple[str, ...]
    alive: bool
    ready: bool
    served: bool


@dataclass(frozen=True, slots=True)
class App:
    """`mappings`: of a container network, (has a port of the host, port in the container); empty otherwise."""

    id: str
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    health_checks: tuple[HealthCheck, ...] = ()
    readiness_path: str = ""
    service_ports: tuple[int, ...] = ()
    mappings: tuple[tuple[bool, int], ...] = ()
    ip_address: Mapping[str, Any] | None = None
    changing: bool = False  # being deployed with readiness checks: results come without an event
    tasks: tuple[Task, ...] = ()

    def endpoint(self, task: Task, index: int) -> tuple[str, int] | None:
        """Host and port at which the task answers for the application's port of that index."""
        if not self.mappings:
            return (task.host, task.ports[index]) if index < len(task.ports) and task.host else None
        if index >= len(self.mappings):
            return None
        on_host, port = self.mappings[index]
        if not on_host:
            return (task.addresses[0], port) if task.addresses and port else None
        position = sum(has for has, _ in self.mappings[:index])
        return (task.host, task.ports[position]) if position < len(task.ports) and task.host else None


def trimmed(document: Any) -> dict[str, Any]:
    """The part of an application's document that is used. Raises AppError when it has no id."""
    if not isinstance(document, dict) or not isinstance(document.get("id"), str) or not document["id"]:
        raise AppError("an application without an id")
    kept = {key: document[key] for key in APP_FIELDS if document.get(key) is not None}
    if "networks" not in kept:
        kept["networks"] = []
    container = document.get("container")
    docker = container.get("docker") if isinstance(container, dict) else None
    if isinstance(container, dict):
        network = docker.get("network") if isinstance(docker, dict) else None
        mappings = container.get("portMappings") or (docker.get("portMappings") if isinstance(docker, dict) else None)
        kept["container"] = {"portMappings": mappings or [], "network": network}
    kept["tasks"] = [
        {key: task[key] for key in TASK_FIELDS if task.get(key) is not None}
        for task in document.get("tasks") or []
        if isinstance(task, dict)
    ]
    return kept


def app(document: Mapping[str, Any]) -> App:
    """An application of a trimmed document. Raises AppError."""
    try:
        return _app(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AppError(f"{document.get('id')}: not understood: {error!r}") from error


def _app(document: Mapping[str, Any]) -> App:
    checks = tuple(
        HealthCheck(str(check.get("protocol", "HTTP")), str(check.get("path") or ""), _index(check))
        for check in document.get("healthChecks") or []
    )
    readiness = document.get("readinessChecks") or []
    changing = bool(readiness and document.get("deployments"))
    ready = {result["taskId"] for result in document.get("readinessCheckResults") or [] if result.get("ready")}
    return App(
        id="/" + document["id"].lstrip("/"),
        env=_texts(document.get("env")),
        labels=_texts(document.get("labels")),
        health_checks=checks,
        readiness_path=str(readiness[0].get("path", "/")) if readiness else "",
        service_ports=_service_ports(document),
        mappings=_mappings(document),
        ip_address=document.get("ipAddress"),
        changing=changing,
        tasks=tuple(
            sorted(
                (_task(task, document, len(checks), ready if changing else None) for task in document["tasks"]),
                key=lambda task: task.id,
            )
        ),
    )


def _task(task: Mapping[str, Any], document: Mapping[str, Any], checks: int, ready_ids: Iterable[str] | None) -> Task:
    results = [bool(result and result.get("alive")) for result in task.get("healthCheckResults") or []]
    alive = len(results) >= checks and all(results)
    old = _is_old(task, document)
    ready = ready_ids is None or old or task["id"] in ready_ids
    state = str(task.get("state", RUNNING))  # Marathon before 1.0 says no state: what has started, runs
    # A task of an earlier definition may have had other checks: what it was asked counts, not what is missing.
    healthy = all(results) if old else alive
    addresses = tuple(
        str(address["ipAddress"]) for address in task.get("ipAddresses") or [] if address.get("ipAddress")
    )
    return Task(
        id=str(task["id"]),
        host=str(task.get("host") or ""),
        ports=tuple(int(port) for port in task.get("ports") or []),
        state=state,
        addresses=addresses,
        alive=alive,
        ready=ready,
        served=state == RUNNING and healthy and ready,
    )


def _is_old(task: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether the task was started from an earlier definition. Scaling makes a new version, not a definition."""
    current = (document.get("versionInfo") or {}).get("lastConfigChangeAt") or document.get("version")
    version = task.get("version")
    return bool(current and version and str(version) < str(current))


def _mappings(document: Mapping[str, Any]) -> tuple[tuple[bool, int], ...]:
    container = document.get("container") or {}
    modes = {str(network.get("mode", "")) for network in document.get("networks") or []}
    if "container" in modes or container.get("network") == "USER":
        return tuple(
            (mapping.get("hostPort") is not None, int(mapping.get("containerPort") or 0))
            for mapping in container["portMappings"]
        )
    address = document.get("ipAddress")
    if address and not container.get("network"):  # an address per task, before 1.5
        ports = ((address.get("discovery") or {}).get("ports")) or []
        return tuple((False, int(port.get("number") or 0)) for port in ports)
    return ()


def _service_ports(document: Mapping[str, Any]) -> tuple[int, ...]:
    if document.get("ports"):
        return tuple(int(port) for port in document["ports"])
    mappings = (document.get("container") or {}).get("portMappings") or []
    if mappings:
        return tuple(int(mapping.get("servicePort") or 0) for mapping in mappings)
    return tuple(int(port.get("port") or 0) for port in document.get("portDefinitions") or [])


def _index(check: Mapping[str, Any]) -> int | None:
    if check.get("portIndex") is not None:
        return int(check["portIndex"])
    return None if check.get("port") else 0


def _texts(found: Any) -> dict[str, str]:
    """Texts only: an `env` may hold references to secrets, which are none of the router's business."""
    return {str(key): value for key, value in (found or {}).items() if isinstance(value, str)}
