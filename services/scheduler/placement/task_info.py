"""The Mesos TaskInfo of an instance, in the JSON of the v1 scheduler API."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.scheduler.definitions.app import App, PortMapping
from services.scheduler.instances.instance import Instance

from .containers import container_info, labels
from .environment import variables
from .health import TaskPorts, app_check, health_check
from .matching import Match
from .new_relic import NewRelic, new_relic_variables
from .ports import assigned, port_mappings

Json = dict[str, Any]
COMMAND_EXECUTORS = ("", "//cmd")


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What the operator decided for all tasks; names as Marathon's flags."""

    mesos_user: str | None = None
    env_vars_prefix: str = ""
    mesos_bridge_name: str = "mesos-bridge"
    new_relic: NewRelic = field(default_factory=NewRelic)


def build(app: App, instance: Instance, match: Match, *, settings: TaskSettings = TaskSettings()) -> Json:
    """The TaskInfo for a LAUNCH operation. `instance` is the one that was made from the match."""
    mappings = _mappings(app, match, instance.task_id)
    ports = TaskPorts(match.ports, mappings)
    command = _command(app, instance, ports, settings)
    container = container_info(app, mappings, mesos_bridge=settings.mesos_bridge_name)
    info: Json = {
        "name": task_name(app.id),
        "task_id": {"value": instance.task_id},
        "agent_id": {"value": instance.agent_id},
        "resources": list(match.resources),
        "labels": labels(app.labels),
        "discovery": _discovery(app, ports),
    }
    if app.executor in COMMAND_EXECUTORS:
        info["command"] = command
        if container:
            info["container"] = container
    else:
        info["executor"] = _executor(app, instance.task_id, command, container)
    limits = {"cpus": app.cpus_limit, "mem": app.mem_limit}
    if any(limit is not None for limit in limits.values()):
        info["limits"] = {name: _limit(value) for name, value in limits.items() if value is not None}
    if app.task_kill_grace_period_seconds is not None:
        info["kill_policy"] = {"grace_period": {"nanoseconds": int(app.task_kill_grace_period_seconds * 1e9)}}
    if app.health_checks:
        info["health_check"] = health_check(app.health_checks[0], ports)  # a task has one place for it
    if app.check:
        info["check"] = app_check(app.check, ports)
    return info


def task_name(app_id: str) -> str:
    """`/team/app` -> `app.team`, what the masters' pages and Mesos-DNS show."""
    return ".".join(reversed(app_id.strip("/").split("/")))


def _mappings(app: App, match: Match, task_id: str) -> tuple[PortMapping, ...] | None:
    """The mappings with the ports of this task; None in host networking."""
    wanted = port_mappings(app)
    if wanted is None:
        return None
    taken = {mapping.container_port for mapping in wanted} | set(match.host_ports)
    result: list[PortMapping] = []
    for mapping, host_port in zip(wanted, match.ports, strict=True):
        result.append(assigned(mapping, host_port, task_id, taken))
        taken.add(result[-1].container_port)
    return tuple(result)


def _command(app: App, instance: Instance, ports: TaskPorts, settings: TaskSettings) -> Json:
    command: Json = {"shell": app.cmd is not None}
    if app.cmd is not None:
        command["value"] = app.cmd
    elif app.args:
        if not (app.container and app.container.image):
            command["value"] = app.args[0]  # the program; with an image it is the image's entry point
        command["arguments"] = list(app.args)
    values = variables(
        app,
        task_id=instance.task_id,
        hostname=instance.hostname,
        ports=ports.host,
        mappings=ports.mappings,
        prefix=settings.env_vars_prefix,
    )
    values = new_relic_variables(app, settings.new_relic) | values  # what the application says itself wins
    command["environment"] = {"variables": [{"name": name, "value": value} for name, value in values.items()]}
    if app.fetch:
        command["uris"] = [
            {
                "value": fetch.uri,
                "extract": fetch.extract,
                "executable": fetch.executable,
                "cache": fetch.cache,
                **({"output_file": fetch.dest_path} if fetch.dest_path else {}),
            }
            for fetch in app.fetch
        ]
    if user := app.user or settings.mesos_user:
        command["user"] = user
    return command


def _executor(app: App, task_id: str, command: Json, container: Json | None) -> Json:
    """A program of the user's that runs the task; it gets the command as its arguments."""
    quoted = "'" + app.executor.replace("'", "'\\''") + "'"
    line = f"chmod ug+rx {quoted} && exec {quoted} {app.cmd if app.cmd is not None else ' '.join(app.args)}".rstrip()
    rest = {key: value for key, value in command.items() if key != "arguments"}
    return {
        "type": "CUSTOM",
        "executor_id": {"value": f"marathon-{task_id}"},
        "command": {**rest, "shell": True, "value": line},
        **({"container": container} if container else {}),
    }


def _discovery(app: App, ports: TaskPorts) -> Json:
    """For Mesos-DNS and others who look at the masters' state."""
    return {
        "visibility": "FRAMEWORK",
        "name": task_name(app.id),
        "ports": {"ports": _discovery_ports(app, ports)},
    }


def _discovery_ports(app: App, ports: TaskPorts) -> list[Json]:
    entries: Sequence[PortMapping]
    if ports.mappings is None:
        entries = [
            PortMapping(host_port=port, protocol=definition.protocol, name=definition.name, labels=definition.labels)
            for definition, port in zip(app.port_definitions, ports.host, strict=True)
        ]
    else:
        entries = [replace(mapping, labels={**mapping.labels, **_scope(app, mapping)}) for mapping in ports.mappings]
    return [
        {
            "number": entry.host_port if entry.host_port is not None else entry.container_port,
            "protocol": protocol,
            **({"name": entry.name} if entry.name else {}),
            **({"labels": labels(entry.labels)} if entry.labels else {}),
        }
        for entry in entries
        for protocol in entry.protocol.split(",")
    ]


def _scope(app: App, mapping: PortMapping) -> dict[str, str]:
    """Whether the number is one of the host's or of the container's own network."""
    if mapping.host_port is not None:
        return {"network-scope": "host"}
    names = mapping.network_names or tuple(network.name for network in app.networks if network.name)
    return {"network-scope": "container"} | ({"network-name": names[0]} if names else {})


def _limit(value: float) -> Json:
    """`Infinity` is how Mesos writes it in JSON, which has no such number."""
    return {"value": "Infinity" if math.isinf(value) else value}
