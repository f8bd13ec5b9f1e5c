"""A canonical document becomes an `App`: fields get their defaults, no rule is looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from services.scheduler.definitions.app import (
    App,
    Constraint,
    Container,
    Fetch,
    HealthCheck,
    Network,
    PortDefinition,
    PortMapping,
    ReadinessCheck,
    UnreachableStrategy,
    UpgradeStrategy,
    Volume,
)
from services.scheduler.definitions.errors import Problems
from services.scheduler.definitions.paths import canonical

Document = Mapping[str, Any]

_OPERATORS = ("UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS")

SINGLE_INSTANCE = "MARATHON_SINGLE_INSTANCE_APP"  # a label: "true" says that there may never be two

_HTTP = ("HTTP", "HTTPS", "MESOS_HTTP", "MESOS_HTTPS")

# API name -> name in `App`, for values that are taken as they are.
_PLAIN = {
    "cmd": "cmd",
    "user": "user",
    "env": "env",
    "labels": "labels",
    "instances": "instances",
    "gpus": "gpus",
    "executor": "executor",
    "requirePorts": "require_ports",
    "killSelection": "kill_selection",
    "tty": "tty",
}
_FLOATS = {
    "cpus": "cpus",
    "mem": "mem",
    "disk": "disk",
    "backoffSeconds": "backoff_seconds",
    "backoffFactor": "backoff_factor",
    "maxLaunchDelaySeconds": "max_launch_delay_seconds",
    "taskKillGracePeriodSeconds": "task_kill_grace_period_seconds",
}
_HEALTH = {
    "protocol": "protocol",
    "port": "port",
    "portIndex": "port_index",
    "gracePeriodSeconds": "grace_period_seconds",
    "intervalSeconds": "interval_seconds",
    "timeoutSeconds": "timeout_seconds",
    "maxConsecutiveFailures": "max_consecutive_failures",
    "delaySeconds": "delay_seconds",
    "ignoreHttp1xx": "ignore_http1xx",
    "ipProtocol": "ip_protocol",
}
_READINESS = {
    "name": "name",
    "protocol": "protocol",
    "path": "path",
    "portName": "port_name",
    "intervalSeconds": "interval_seconds",
    "timeoutSeconds": "timeout_seconds",
    "preserveLastResponse": "preserve_last_response",
}
_MAPPING = {
    "containerPort": "container_port",
    "servicePort": "service_port",
    "protocol": "protocol",
    "name": "name",
    "labels": "labels",
}
_FETCH = {"uri": "uri", "extract": "extract", "executable": "executable", "cache": "cache", "destPath": "dest_path"}


def app(document: Document, *, version: str, base: str, role: str, network_name: str | None, problems: Problems) -> App:
    """The application. `role` and `network_name`: for documents that name none. Unknown operators are problems."""
    fields = {
        **_renamed(document, _PLAIN),
        **{_FLOATS[key]: float(document[key]) for key in _FLOATS if key in document},
    }
    limits = document.get("resourceLimits", {})
    container = document.get("container")
    networks = tuple(_network(each, network_name) for each in document["networks"])
    if container is not None:
        fields["container"] = _container(container)
    if "check" in document:
        fields["check"] = _check(document["check"])
    if "upgradeStrategy" in document:
        fields["upgrade_strategy"] = _upgrade(document["upgradeStrategy"])
    elif document.get("labels", {}).get(SINGLE_INSTANCE) == "true":
        fields["upgrade_strategy"] = UpgradeStrategy(0.0, 0.0)
    if "unreachableStrategy" in document:
        fields["unreachable_strategy"] = _unreachable(document["unreachableStrategy"])
    return App(
        id=canonical(document["id"], base),
        version=version,
        last_scaling_at=version,
        last_config_change_at=version,
        args=tuple(document.get("args", ())),
        cpus_limit=_limit(limits.get("cpus")),
        mem_limit=_limit(limits.get("mem")),
        role=document.get("role", role),
        accepted_resource_roles=tuple(document.get("acceptedResourceRoles", ())),
        constraints=_constraints(document.get("constraints", []), problems),
        networks=networks,
        port_definitions=tuple(PortDefinition(**each) for each in document.get("portDefinitions", [])),
        fetch=tuple(Fetch(**_renamed(each, _FETCH)) for each in document.get("fetch", [])),
        health_checks=tuple(_health_check(each) for each in document.get("healthChecks", [])),
        readiness_checks=tuple(_readiness_check(each) for each in document.get("readinessChecks", [])),
        dependencies=tuple(dict.fromkeys(canonical(each, base) for each in document.get("dependencies", []))),
        **fields,
    )


def _renamed(document: Document, names: Mapping[str, str]) -> dict[str, Any]:
    return {names[key]: value for key, value in document.items() if key in names}


def _limit(value: float | str | None) -> float | None:
    if value is None:
        return None
    return math.inf if isinstance(value, str) else float(value)


def _network(document: Document, network_name: str | None) -> Network:
    mode = document.get("mode", "container")
    name = document.get("name", network_name if mode == "container" else None)
    return Network(mode=mode, name=name, labels=document.get("labels", {}))


def _container(document: Document) -> Container:
    docker = document.get("docker", {})
    return Container(
        type=document.get("type", "DOCKER"),
        image=docker.get("image"),
        force_pull_image=docker.get("forcePullImage", False),
        privileged=docker.get("privileged", False),
        parameters=tuple((each["key"], each["value"]) for each in docker.get("parameters", [])),
        port_mappings=tuple(_port_mapping(each) for each in document.get("portMappings", [])),
        volumes=tuple(
            Volume(container_path=each["containerPath"], host_path=each["hostPath"], mode=each["mode"])
            for each in document.get("volumes", [])
        ),
    )


def _port_mapping(document: Document) -> PortMapping:
    return PortMapping(
        host_port=document.get("hostPort"),
        network_names=tuple(document.get("networkNames", ())),
        **_renamed(document, _MAPPING),
    )


def _constraints(documents: list[list[str]], problems: Problems) -> tuple[Constraint, ...]:
    found = []
    for index, (field, word, *rest) in enumerate(documents):
        operator: Any = word
        if operator not in _OPERATORS:
            problems.add(f"/constraints({index})", f"Constraint operator must be one of {', '.join(_OPERATORS)}")
            continue
        value = rest[0] if rest else None
        # Marathon before 1.5 shows a UNIQUE without a value as one with an empty value.
        found.append(Constraint(field, operator, None if operator == "UNIQUE" and value == "" else value))
    return tuple(found)


def _health_check(document: Document) -> HealthCheck:
    protocol = document.get("protocol", "HTTP")
    fields = _renamed(document, _HEALTH)
    if protocol == "COMMAND":
        # Older documents have a port and a path in every kind of check: those that mean nothing are dropped.
        fields.pop("port", None)
        fields.pop("port_index", None)
    elif not {"port", "portIndex", "command"} & document.keys():
        fields["port_index"] = 0
    path = document.get("path")
    if path is not None and protocol in _HTTP:
        fields["path"] = path if path.startswith("/") else f"/{path}"
    return HealthCheck(command=document.get("command", {}).get("value"), **fields)


def _readiness_check(document: Document) -> ReadinessCheck:
    codes = document.get("httpStatusCodesForReady", (200,))
    return ReadinessCheck(http_status_codes_for_ready=tuple(codes), **_renamed(document, _READINESS))


def _check(document: Document) -> Document:
    whole = {"delaySeconds": 15, "intervalSeconds": 60, "timeoutSeconds": 20, **document}
    for kind in ("http", "tcp"):
        if kind in whole and not {"port", "portIndex"} & whole[kind].keys():
            whole[kind] = {**whole[kind], "portIndex": 0}
    if "http" in whole:
        path = whole["http"].get("path", "/")
        whole["http"] = {"scheme": "HTTP", **whole["http"], "path": path if path.startswith("/") else f"/{path}"}
    return whole


def _upgrade(document: Document) -> UpgradeStrategy:
    return UpgradeStrategy(
        minimum_health_capacity=float(document["minimumHealthCapacity"]),
        maximum_over_capacity=float(document["maximumOverCapacity"]),
    )


def _unreachable(document: Document | str) -> UnreachableStrategy | None:
    if isinstance(document, str):
        return None
    return UnreachableStrategy(
        inactive_after_seconds=document.get("inactiveAfterSeconds", 0),
        expunge_after_seconds=document.get("expungeAfterSeconds", 0),
    )
