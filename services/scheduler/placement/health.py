"""Health checks and checks as the agent's executor understands them.

The executor asks 127.0.0.1 in the task's network, so what counts is the port inside the container.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.scheduler.definitions.app import HealthCheck, PortMapping

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TaskPorts:
    """`host`: as matched. `mappings`: those of a container network with their ports, else None."""

    host: Sequence[int | None]
    mappings: Sequence[PortMapping] | None = None

    def at(self, index: int) -> int:
        """The port that the task listens on; IndexError if there is none."""
        port = self.host[index] if self.mappings is None else self.mappings[index].container_port
        if port is None:
            raise IndexError(f"port {index} is not assigned")
        return port

    def inside(self, port: int) -> int:
        """A port given by its number: one of the host's that is mapped means the container's behind it."""
        mappings = self.mappings or ()
        if any(mapping.container_port == port for mapping in mappings):
            return port
        return next((mapping.container_port for mapping in mappings if mapping.host_port == port), port)


def health_check(check: HealthCheck, ports: TaskPorts) -> Json:
    """The Mesos HealthCheck."""
    timing = {
        "delay_seconds": float(check.delay_seconds),
        "interval_seconds": float(check.interval_seconds),
        "timeout_seconds": float(check.timeout_seconds),
        "grace_period_seconds": float(check.grace_period_seconds),
        "consecutive_failures": check.max_consecutive_failures,
    }
    if check.protocol == "COMMAND":
        return {"type": "COMMAND", "command": {"shell": True, "value": check.command}, **timing}
    port = ports.at(check.port_index or 0) if check.port is None else ports.inside(check.port)
    family = {"protocol": "IPv6"} if check.ip_protocol == "IPv6" else {}
    kind = check.protocol.removeprefix("MESOS_")
    if kind == "TCP":
        return {"type": "TCP", "tcp": {"port": port, **family}, **timing}
    http = {"scheme": kind.lower(), "port": port, "path": check.path or "/", **family}
    return {"type": "HTTP", "http": http, **timing}


def app_check(check: Mapping[str, Any], ports: TaskPorts) -> Json:
    """The Mesos CheckInfo of the API's AppCheck (`exec`, `http` or `tcp`)."""
    timing = {
        "delay_seconds": float(check.get("delaySeconds", 15)),
        "interval_seconds": float(check.get("intervalSeconds", 60)),
        "timeout_seconds": float(check.get("timeoutSeconds", 20)),
    }
    if "exec" in check:
        return {"type": "COMMAND", "command": {"command": _command(check["exec"]["command"])}, **timing}
    if "http" in check:
        http = check["http"]
        return {"type": "HTTP", "http": {"port": _port(http, ports), "path": http.get("path", "/")}, **timing}
    return {"type": "TCP", "tcp": {"port": _port(check["tcp"], ports)}, **timing}


def _command(command: Mapping[str, Any]) -> Json:
    """From `{"shell": "…"}` or `{"argv": ["…"]}`."""
    if "shell" in command:
        return {"shell": True, "value": command["shell"]}
    argv = list(command["argv"])
    return {"shell": False, "value": argv[0], "arguments": argv}


def _port(check: Mapping[str, Any], ports: TaskPorts) -> int:
    number = check.get("port")
    return ports.at(check.get("portIndex", 0)) if number is None else ports.inside(number)
