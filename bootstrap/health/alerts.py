"""Prometheus and Alertmanager: do they work, and which alerts fire."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from functools import partial
from typing import Any

from bootstrap import paths
from bootstrap.health import Health, View
from bootstrap.health.net import Answer, UnansweredError, gather, get

ROLE = "alerts"
SECRET = "prometheus-operator"  # noqa: S105 - its name
_SERVICES = ("prometheus", "alertmanager")  # names of ports and of units


def check(view: View) -> list[Health]:
    """Both services, then a row for every alert that fires.

    An alert tells of the last minutes, and what is wrong right now is asked of the services themselves: so a
    firing alert is shown, and does not decide whether all is well.
    """
    node = view.cluster.with_role(ROLE)[0]
    jobs = {name: partial(_ready, view, name) for name in _SERVICES}
    answers = gather(jobs, view.seconds + 0.2)
    wrong = {name: "does not answer in time" if why is None else why for name, why in answers.items() if why != ""}
    if wrong:
        return [
            Health(ROLE, node.name, "failed", f"{name} {why}", view.journal(node.name, name))
            for name, why in wrong.items()
        ]
    firing = _firing(view)
    return [Health(ROLE, node.name, "ok", f"collects figures; {len(firing)} alerts fire"), *firing]


def present(view: View) -> bool:
    """Whether this environment has a server, and we its login."""
    return bool(view.cluster.with_role(ROLE)) and SECRET in view.logins


def query(view: View, expression: str, *, label: str = "node", seconds: float) -> Mapping[str, float]:
    """Value by `label` of an instant query. Raises UnansweredError."""
    path = f"/api/v1/query?query={urllib.parse.quote(expression)}"
    found = _get(view, "prometheus", path, seconds).json()["data"]["result"]
    return {row["metric"].get(label, ""): float(row["value"][1]) for row in found}


def _firing(view: View) -> list[Health]:
    try:
        found = _get(view, "prometheus", "/api/v1/alerts", view.seconds / 2).json()["data"]["alerts"]
    except UnansweredError:
        return []  # it has just said that it is ready
    return [_row(alert) for alert in found if alert["state"] == "firing"]


def _row(alert: Mapping[str, Any]) -> Health:
    labels, texts = alert["labels"], alert["annotations"]
    detail = f"{labels['alertname']} ({labels['severity']}): {texts['summary']}; {texts['runbook']}"
    return Health(ROLE, labels.get("node", ""), "firing", detail)


def _ready(view: View, name: str) -> str:
    try:
        answer = _get(view, name, "/-/ready", view.seconds / 2)
    except UnansweredError as error:
        return str(error)
    return "" if answer.status == 200 else f"answers {answer.status}"


def _get(view: View, service: str, path: str, seconds: float) -> Answer:
    ca = paths.state_dir(view.cluster.env) / "ca" / "ca.crt"
    if not present(view) or not ca.exists():
        raise UnansweredError("has no login yet: this environment is not made")
    address = str(view.cluster.with_role(ROLE)[0].address)
    return get(address, view.port(ROLE, service), path, login=view.logins[SECRET], ca=ca, seconds=seconds)
