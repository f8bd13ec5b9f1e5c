"""The documents of Bamboo's API, with its capital names. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.router.marathon.view import App, Task
from services.router.rules.codec import Rule


def state(apps: Mapping[str, App] | None, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """`/api/state`: what Bamboo's template gets. Apps are null while Marathon was never reached."""
    ordered = None if apps is None else [app(one) for _, one in sorted(apps.items())]
    return {"Apps": ordered, "Services": services(rules)}


def services(rules: Mapping[str, Rule]) -> dict[str, Any]:
    """`/api/services`."""
    return {identity: rule.document() for identity, rule in rules.items()}


def app(one: App) -> dict[str, Any]:
    """One element of Apps."""
    parts = one.id.lstrip("/").split("/")
    http = next((check for check in one.health_checks if check.path), None)
    return {
        "Id": one.id,
        "MesosDnsId": "-".join(reversed(parts)),
        "EscapedId": one.id.replace("/", "::"),
        "SplitId": parts,
        "HealthCheckPath": http.path if http else "",
        "HealthCheckProtocol": http.protocol if http else "",
        "HealthChecks": [
            {"Protocol": check.protocol, "Path": check.path, "PortIndex": check.port_index or 0}
            for check in one.health_checks
        ],
        "ReadinessCheckPath": one.readiness_path,
        "Tasks": [task(each) for each in one.tasks if each.host and each.ports],
        "ServicePort": one.service_ports[0] if one.service_ports else 0,
        "ServicePorts": list(one.service_ports),
        "Env": dict(one.env),
        "Labels": dict(one.labels),
        "ipAddress": one.ip_address,
    }


def task(one: Task) -> dict[str, Any]:
    """One element of Tasks."""
    return {
        "Id": one.id,
        "Host": one.host,
        "Port": one.ports[0],
        "Ports": list(one.ports),
        "Alive": one.alive,
        "State": one.state,
        "Ready": one.ready,
    }
