"""Applications and groups as JSON documents: the API's of Marathon 1.11, without what changes at run time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from services.scheduler.definitions.app import (
    App,
    Container,
    HealthCheck,
    Network,
    PortDefinition,
    PortMapping,
    ReadinessCheck,
)
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.stored import encode as stored
from services.scheduler.definitions.stored import encode_groups as stored_groups

__all__ = ["app", "group", "stored", "stored_groups"]

Document = dict[str, Any]


def app(app: App) -> Document:
    """The definition. `parse.app` of it, with the same version, is the same application."""
    document: Document = {
        "id": app.id,
        "acceptedResourceRoles": list(app.accepted_resource_roles) or None,
        "args": list(app.args) or None,
        "backoffFactor": _plain(app.backoff_factor),
        "backoffSeconds": _plain(app.backoff_seconds),
        "check": app.check,
        "cmd": app.cmd,
        "constraints": [_constraint(each.field, each.operator, each.value) for each in app.constraints],
        "container": _container(app) if app.container else None,
        "cpus": _plain(app.cpus),
        "dependencies": list(app.dependencies),
        "disk": _plain(app.disk),
        "env": app.env,
        "executor": app.executor,
        "fetch": [
            _given(
                uri=each.uri,
                extract=each.extract,
                executable=each.executable,
                cache=each.cache,
                destPath=each.dest_path,
            )
            for each in app.fetch
        ],
        "gpus": app.gpus,
        "healthChecks": [_health_check(each) for each in app.health_checks],
        "instances": app.instances,
        "killSelection": app.kill_selection,
        "labels": app.labels,
        "maxLaunchDelaySeconds": _plain(app.max_launch_delay_seconds),
        "mem": _plain(app.mem),
        "networks": [_network(each) for each in app.networks],
        "portDefinitions": [_port_definition(each) for each in app.port_definitions] if _on_host(app) else None,
        "readinessChecks": [_readiness_check(each) for each in app.readiness_checks],
        "requirePorts": app.require_ports,
        "resourceLimits": _given(cpus=_limit(app.cpus_limit), mem=_limit(app.mem_limit)) or None,
        "role": app.role,
        "taskKillGracePeriodSeconds": _plain(app.task_kill_grace_period_seconds),
        "tty": app.tty or None,
        "unreachableStrategy": _unreachable(app),
        "upgradeStrategy": {
            "minimumHealthCapacity": _plain(app.upgrade_strategy.minimum_health_capacity),
            "maximumOverCapacity": _plain(app.upgrade_strategy.maximum_over_capacity),
        },
        "user": app.user,
        "version": app.version,
        "versionInfo": {"lastScalingAt": app.last_scaling_at, "lastConfigChangeAt": app.last_config_change_at},
    }
    return {key: value for key, value in document.items() if value is not None}


def group(
    tree: Group,
    *,
    apps: bool = True,
    groups: bool = True,
    app_document: Callable[[App], Document] = app,
    shows: Callable[[App], bool] | None = None,
) -> Document:
    """The group and what is in it.

    `apps` and `groups` are the API's `embed`; `app_document` makes the documents of applications (with run-time
    fields, say), and `shows` selects them.
    """
    document: Document = {
        "id": tree.id,
        "dependencies": list(tree.dependencies),
        "version": tree.version,
        "pods": [],
    }
    if tree.enforce_role:  # shown only where it says something: clients from before 1.9 refuse what they do not know
        document["enforceRole"] = True
    if apps:
        document["apps"] = [app_document(each) for each in tree.apps.values() if shows is None or shows(each)]
    if groups:
        document["groups"] = [
            group(each, apps=apps, app_document=app_document, shows=shows) for each in tree.groups.values()
        ]
    return document


def _given(**fields: Any) -> Document:
    return {key: value for key, value in fields.items() if value is not None}


def _plain(number: float | None) -> float | int | None:
    """Whole numbers without a fraction, as Marathon shows them."""
    return int(number) if number is not None and number == int(number) else number


def _limit(limit: float | None) -> float | int | str | None:
    return "unlimited" if limit == math.inf else _plain(limit)


def _on_host(app: App) -> bool:
    return all(network.mode == "host" for network in app.networks)


def _unreachable(app: App) -> Document | str:
    strategy = app.unreachable_strategy
    if strategy is None:
        return "disabled"
    return {
        "inactiveAfterSeconds": strategy.inactive_after_seconds,
        "expungeAfterSeconds": strategy.expunge_after_seconds,
    }


def _constraint(field: str, operator: str, value: str | None) -> list[str]:
    return [field, operator] if value is None else [field, operator, value]


def _network(network: Network) -> Document:
    document: Document = {"mode": network.mode}
    if network.name is not None:
        document["name"] = network.name
    if network.labels:
        document["labels"] = network.labels
    return document


def _port_definition(definition: PortDefinition) -> Document:
    document: Document = {"port": definition.port, "protocol": definition.protocol, "labels": definition.labels}
    if definition.name is not None:
        document["name"] = definition.name
    return document


def _port_mapping(mapping: PortMapping) -> Document:
    return _given(
        containerPort=mapping.container_port,
        hostPort=mapping.host_port,
        labels=mapping.labels,
        name=mapping.name,
        networkNames=list(mapping.network_names) or None,
        protocol=mapping.protocol,
        servicePort=mapping.service_port,
    )


def _container(app: App) -> Document:
    container = app.container or Container()
    document: Document = {"type": container.type}
    if container.image is not None:
        document["docker"] = {
            "image": container.image,
            "forcePullImage": container.force_pull_image,
            "privileged": container.privileged,
            "parameters": [{"key": key, "value": value} for key, value in container.parameters],
        }
    document["volumes"] = [
        {"containerPath": each.container_path, "hostPath": each.host_path, "mode": each.mode}
        for each in container.volumes
    ]
    if not _on_host(app):
        document["portMappings"] = [_port_mapping(each) for each in container.port_mappings]
    return document


def _health_check(check: HealthCheck) -> Document:
    return _given(
        protocol=check.protocol,
        path=check.path,
        port=check.port,
        portIndex=check.port_index,
        command=None if check.command is None else {"value": check.command},
        delaySeconds=check.delay_seconds,
        gracePeriodSeconds=check.grace_period_seconds,
        ignoreHttp1xx=check.ignore_http1xx,
        intervalSeconds=check.interval_seconds,
        ipProtocol=check.ip_protocol,
        maxConsecutiveFailures=check.max_consecutive_failures,
        timeoutSeconds=check.timeout_seconds,
    )


def _readiness_check(check: ReadinessCheck) -> Document:
    return {
        "name": check.name,
        "protocol": check.protocol,
        "path": check.path,
        "portName": check.port_name,
        "intervalSeconds": check.interval_seconds,
        "timeoutSeconds": check.timeout_seconds,
        "httpStatusCodesForReady": list(check.http_status_codes_for_ready),
        "preserveLastResponse": check.preserve_last_response,
    }
