"""An application as the scheduler works with it: whole, checked, in the shape of API 1.5 and later.

Field names are those of Marathon's `app.App` in snake case; units are the API's (seconds, MiB) unless a
name says otherwise. Instances are immutable: an update makes a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Constraint:
    """`["hostname", "UNIQUE"]`, `["@zone", "GROUP_BY", "2"]`, `["rack", "LIKE", "r[12]"]`."""

    field: str
    operator: Literal["UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS"]
    value: str | None = None


@dataclass(frozen=True, slots=True)
class PortDefinition:
    """A port of an application in host networking. `port` 0: any."""

    port: int = 0
    protocol: str = "tcp"  # tcp, udp or "udp,tcp"
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortMapping:
    """A port of a container network. `host_port` None: not mapped to the host; 0: any."""

    container_port: int = 0  # 0: the same as the host port
    host_port: int | None = 0
    service_port: int = 0
    protocol: str = "tcp"
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    network_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """`name` only in mode "container": a network that the operator made."""

    mode: Literal["host", "container", "container/bridge"] = "host"
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """A host folder in the container (`host_path`), read-only ("RO") or not ("RW")."""

    container_path: str
    host_path: str
    mode: Literal["RO", "RW"] = "RW"


@dataclass(frozen=True, slots=True)
class Container:
    """`image` is absent only in a Mesos container without one."""

    type: Literal["DOCKER", "MESOS"] = "DOCKER"
    image: str | None = None
    force_pull_image: bool = False
    privileged: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    port_mappings: tuple[PortMapping, ...] = ()
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Run by the agents whatever the protocol's family. Exactly one of `port`, `port_index`, or `command`."""

    protocol: Literal["HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP"] = "HTTP"
    path: str | None = None
    port_index: int | None = None
    port: int | None = None
    command: str | None = None
    grace_period_seconds: int = 300
    interval_seconds: int = 60
    timeout_seconds: int = 20
    max_consecutive_failures: int = 3
    delay_seconds: int = 15
    ignore_http1xx: bool = False
    ip_protocol: str = "IPv4"


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """Asked by the scheduler during a deployment until it answers with one of the status codes."""

    name: str = "readinessCheck"
    protocol: Literal["HTTP", "HTTPS"] = "HTTP"
    path: str = "/"
    port_name: str = "http-api"
    interval_seconds: int = 30
    timeout_seconds: int = 10
    http_status_codes_for_ready: tuple[int, ...] = (200,)
    preserve_last_response: bool = False


@dataclass(frozen=True, slots=True)
class UpgradeStrategy:
    """Shares of `instances`: healthy ones never below, all together never above 1 + over."""

    minimum_health_capacity: float = 1.0
    maximum_over_capacity: float = 1.0


@dataclass(frozen=True, slots=True)
class UnreachableStrategy:
    """A replacement is launched after the first, the instance forgotten after the second."""

    inactive_after_seconds: int = 0
    expunge_after_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Fetch:
    """A file the agent brings into the sandbox."""

    uri: str
    extract: bool = True
    executable: bool = False
    cache: bool = False
    dest_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One version of an application."""

    id: str  # absolute: /team/app
    version: str  # when this definition was made: 2026-01-31T12:00:00.000Z, unique and growing
    last_scaling_at: str  # version that last changed the number of instances
    last_config_change_at: str  # version that last changed anything else: instances older than it are outdated
    cmd: str | None = None
    args: tuple[str, ...] = ()
    user: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    instances: int = 1
    cpus: float = 1.0
    mem: float = 128.0
    disk: float = 0.0
    gpus: int = 0
    cpus_limit: float | None = None  # resourceLimits; inf for "unlimited"
    mem_limit: float | None = None
    role: str = "*"
    accepted_resource_roles: tuple[str, ...] = ()
    executor: str = ""
    constraints: tuple[Constraint, ...] = ()
    networks: tuple[Network, ...] = (Network(),)
    port_definitions: tuple[PortDefinition, ...] = ()
    require_ports: bool = False
    container: Container | None = None
    fetch: tuple[Fetch, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()
    check: Mapping[str, Any] | None = None  # the API's AppCheck document
    readiness_checks: tuple[ReadinessCheck, ...] = ()
    dependencies: tuple[str, ...] = ()
    backoff_seconds: float = 1.0
    backoff_factor: float = 1.15
    max_launch_delay_seconds: float = 300.0
    task_kill_grace_period_seconds: float | None = None
    upgrade_strategy: UpgradeStrategy = UpgradeStrategy()
    kill_selection: Literal["YOUNGEST_FIRST", "OLDEST_FIRST"] = "YOUNGEST_FIRST"
    unreachable_strategy: UnreachableStrategy | None = UnreachableStrategy()  # None: "disabled"
    tty: bool = False

    @property
    def service_ports(self) -> tuple[int, ...]:
        """What API documents call `ports`."""
        if self.container and any(network.mode != "host" for network in self.networks):
            return tuple(mapping.service_port for mapping in self.container.port_mappings)
        return tuple(definition.port for definition in self.port_definitions)
