"""Rules over health checks, the check and readiness checks of an application."""

from __future__ import annotations

from services.scheduler.definitions.app import App, HealthCheck
from services.scheduler.definitions.errors import Problems
from services.scheduler.definitions.rules_network import port_names

_PORT_INDEX = "Health check port indices must address an element of the ports array or container port mappings."
_ONE_PORT = "must specify either a port or a portIndex, not both"


def check(app: App, problems: Problems) -> None:
    """Reports checks that no agent could run."""
    names = port_names(app)
    if len(app.health_checks) > 1:
        problems.add("/healthChecks", "only one health check is supported: agents run one for each task")
    for index, health_check in enumerate(app.health_checks):
        _check_health_check(health_check, app, len(names), f"/healthChecks({index})", problems)
    if app.check is not None:
        _check_check(app, len(names), problems)
    if len(app.readiness_checks) > 1:
        problems.add("/readinessChecks", "must not have more than one readiness check")
    for index, readiness in enumerate(app.readiness_checks):
        path = f"/readinessChecks({index})"
        if readiness.port_name not in names:
            problems.add(f"{path}/portName", f"No port definition reference for portName {readiness.port_name}")
        if readiness.timeout_seconds >= readiness.interval_seconds:
            problems.add(f"{path}/timeoutSeconds", "must be less than intervalSeconds")


def _check_health_check(check: HealthCheck, app: App, ports: int, path: str, problems: Problems) -> None:
    if check.protocol == "COMMAND":
        if not check.command:
            problems.add(f"{path}/command", "COMMAND health checks need a command")
    elif check.command is not None:
        problems.add(f"{path}/command", "only COMMAND health checks may have a command")
    elif check.port is not None and check.port_index is not None:
        problems.add(path, _ONE_PORT)
    elif check.port == 0:
        problems.add(f"{path}/port", "must be greater than 0")
    elif check.port_index is not None and check.port_index >= ports:
        problems.add(path, _PORT_INDEX)
    is_docker = app.container is not None and app.container.type == "DOCKER"
    if check.ip_protocol != "IPv4" and not (is_docker and check.protocol.startswith("MESOS_")):
        error = "IPv6 can only be used for container type DOCKER and Mesos http/https/tcp health checks"
        problems.add(f"{path}/ipProtocol", error)


def _check_check(app: App, ports: int, problems: Problems) -> None:
    document = app.check or {}
    kinds = [kind for kind in ("exec", "http", "tcp") if kind in document]
    if len(kinds) != 1:
        problems.add("/check", "must specify exactly one of exec, http, tcp")
    for kind in kinds:
        target = document[kind]
        if kind == "exec":
            if len({"shell", "argv"} & target["command"].keys()) != 1:
                problems.add("/check/exec/command", "must specify exactly one of shell, argv")
        elif "port" in target and "portIndex" in target:
            problems.add(f"/check/{kind}", _ONE_PORT)
        elif target.get("port") == 0:
            problems.add(f"/check/{kind}/port", "must be greater than 0")
        elif "portIndex" in target and target["portIndex"] >= ports:
            problems.add(f"/check/{kind}", _PORT_INDEX.replace("Health check", "Check"))
