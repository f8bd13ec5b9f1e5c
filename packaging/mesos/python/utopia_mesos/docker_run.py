"""The `docker run` line of a task, in the order in which the library itself composes it. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from .task import TaskError
from .values import Json, limit, plain_variables, ports, scalar, secret_variables

MIN_CPU_SHARES = 2
CPU_SHARES_PER_CPU = 1024
CFS_PERIOD_MICROSECONDS = 100_000
MIN_CFS_QUOTA = 1000
MEGABYTE = 1 << 20
MIN_MEMORY_MEGABYTES = 32


@dataclass(frozen=True)
class RunSettings:
    """What the agent gives the executor on its command line."""

    container: str
    sandbox: str
    mapped_directory: str = "/mnt/mesos/sandbox"
    cgroups_enable_cfs: bool = False
    default_dns: Json = field(default_factory=dict)
    task_environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunLine:
    """Arguments for docker, and variables of its own environment (secrets, which must not be arguments)."""

    arguments: list[str]
    environment: dict[str, str]


def settings_of(flags: dict[str, str]) -> RunSettings:
    """From the executor's flags; those of JSON type are empty if not given."""
    return RunSettings(
        container=flags["container"],
        sandbox=flags["sandbox_directory"],
        mapped_directory=flags.get("mapped_directory", "/mnt/mesos/sandbox"),
        cgroups_enable_cfs=flags.get("cgroups_enable_cfs") == "true",
        default_dns=json.loads(flags.get("default_container_dns") or "{}"),
        task_environment=json.loads(flags.get("task_environment") or "{}"),
    )


def compose(task: Json, settings: RunSettings) -> RunLine:
    """TaskError if the task asks for something that cannot be."""
    container = task["container"]
    docker = container["docker"]
    command = task.get("command", {})
    network = network_of(container)
    secrets = secret_variables(command)
    shell = bool(command.get("shell", True) and command.get("value"))
    arguments = [
        "run",
        *(["--privileged"] if docker.get("privileged") else []),
        *_limits(task, settings),
        *_environment(command, settings, secrets),
        *_volumes(container, settings),
        *("--net", network),
        *_hostname(container, network),
        *_dns(docker, container, settings),
        *_ports(task, docker, network),
        *(["--entrypoint", "/bin/sh"] if shell else []),
        *("--name", settings.container),
        f"--label=MESOS_TASK_ID={task['task_id']['value']}",
        *(f"--{parameter['key']}={parameter['value']}" for parameter in docker.get("parameters", [])),
        docker["image"],
        *_command(command, shell=shell),
    ]
    return RunLine(arguments, secrets)


def network_of(container: Json) -> str:
    """host, bridge, none, or the name of a network of the user's."""
    network = str(container["docker"].get("network", "HOST"))
    if network != "USER":
        return network.lower()
    networks = container.get("network_infos", [])
    if len(networks) > 1:
        raise TaskError("A Docker task can be in one network only, but has several network_infos")
    if not networks or not networks[0].get("name"):
        raise TaskError("Network USER needs the network's name in network_infos")
    return str(networks[0]["name"])


def _limits(task: Json, settings: RunSettings) -> list[str]:
    resources = task.get("resources", [])
    cpus = scalar(resources, "cpus")
    result = ["--cpu-shares", str(max(MIN_CPU_SHARES, int(CPU_SHARES_PER_CPU * cpus)))]
    cpu_limit = limit(task, "cpus")
    if cpu_limit is None and settings.cgroups_enable_cfs:
        cpu_limit = cpus
    if cpu_limit is not None and math.isfinite(cpu_limit):
        result += ["--cpu-quota", str(max(MIN_CFS_QUOTA, int(CFS_PERIOD_MICROSECONDS * cpu_limit)))]
    memory = max(MIN_MEMORY_MEGABYTES, scalar(resources, "mem"))
    memory_limit = limit(task, "mem")
    if memory_limit is not None:
        result += ["--memory-reservation", str(int(memory * MEGABYTE))]
        memory = max(memory, memory_limit)
    return [*result, *([] if math.isinf(memory) else ["--memory", str(int(memory * MEGABYTE))])]


def _environment(command: Json, settings: RunSettings, secrets: dict[str, str]) -> list[str]:
    variables = {
        **plain_variables(command),
        **settings.task_environment,
        "MESOS_SANDBOX": settings.mapped_directory,
        "MESOS_CONTAINER_NAME": settings.container,
    }
    unresolved = [
        variable["name"]
        for variable in command.get("environment", {}).get("variables", [])
        if variable.get("type") == "SECRET" and variable["name"] not in secrets
    ]
    if unresolved:
        raise TaskError(f"Secrets by reference are not possible in Docker tasks: {', '.join(sorted(unresolved))}")
    result: list[str] = []
    for name in sorted({*variables, *secrets}):
        # Without a value docker takes it from its own environment: arguments are there for all to read.
        result += ["-e", name if name in secrets else f"{name}={variables[name]}"]
    return result


def _volumes(container: Json, settings: RunSettings) -> list[str]:
    result: list[str] = []
    drivers: list[str] = []
    for volume in container.get("volumes", []):
        source = volume.get("source", {}).get("docker_volume", {})
        if source.get("driver"):
            drivers.append(source["driver"])
        result += ["-v", _volume(volume, source, settings)]
    if container["docker"].get("volume_driver"):
        drivers.append(container["docker"]["volume_driver"])
    if len(set(drivers)) > 1:
        raise TaskError(f"The volumes of a Docker task can have one driver only, not {', '.join(sorted(set(drivers)))}")
    result += ["-v", f"{settings.sandbox}:{settings.mapped_directory}"]
    return [*result, *(f"--volume-driver={driver}" for driver in drivers[:1])]


def _volume(volume: Json, source: Json, settings: RunSettings) -> str:
    host = str(source.get("name") or volume.get("host_path", ""))
    inside = str(volume["container_path"])
    is_path = not source.get("name")
    if not PurePosixPath(inside).is_absolute():
        if is_path and host and not PurePosixPath(host).is_absolute():
            raise TaskError(f"Both host_path '{host}' and container_path '{inside}' of a volume are relative")
        inside = f"{settings.mapped_directory}/{inside}"
    if not host:
        return inside
    if is_path and not PurePosixPath(host).is_absolute():
        host = f"{settings.sandbox}/{host}"
    return f"{host}:{inside}:{'ro' if volume.get('mode') == 'RO' else 'rw'}"


def _hostname(container: Json, network: str) -> list[str]:
    hostname = container.get("hostname")
    if not hostname:
        return []
    if network == "host":
        raise TaskError("Unable to set hostname with host network mode")
    return ["--hostname", hostname]


def _dns(docker: Json, container: Json, settings: RunSettings) -> list[str]:
    """The agent's default for this kind of network, unless the task brings its own by parameters."""
    own = {parameter["key"] for parameter in docker.get("parameters", [])}
    if own & {"dns", "dns-search", "dns-option", "dns-opt"}:
        return []
    mode = docker.get("network", "HOST")
    name = network_of(container) if mode == "USER" else None
    for default in settings.default_dns.get("docker", []):
        if default.get("network_mode") == mode and default.get("network_name") in (None, name):
            dns = default.get("dns", {})
            return [
                *(f"--dns={server}" for server in dns.get("nameservers", [])),
                *(f"--dns-search={domain}" for domain in dns.get("search", [])),
                *(f"--dns-option={option}" for option in dns.get("options", [])),
            ]
    return []


def _ports(task: Json, docker: Json, network: str) -> list[str]:
    mappings = docker.get("port_mappings", [])
    if not mappings:
        return []
    if network in ("host", "none"):
        raise TaskError("Port mappings are only supported for bridge and user-defined networks")
    offered = ports(task.get("resources", []))
    if not offered:
        raise TaskError("Port mappings require port resources")
    result: list[str] = []
    for mapping in mappings:
        host = int(mapping["host_port"])
        if not any(host in part for part in offered):
            raise TaskError(f"Port mapping of host port {host}: the port is not among the task's resources")
        result += ["-p", f"{host}:{int(mapping['container_port'])}/{mapping.get('protocol', 'tcp')}"]
    return result


def _command(command: Json, *, shell: bool) -> list[str]:
    if shell:
        return ["-c", command["value"]]
    value = [command["value"]] if command.get("value") else []
    return [*value, *command.get("arguments", [])]
