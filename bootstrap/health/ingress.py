"""The edges: does HAProxy serve, is what it serves what Marathon runs, and how old is that knowledge."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bootstrap.health import Health, View
from bootstrap.health.net import Login, UnansweredError, gather, get
from bootstrap.model import Node

ROLE = "ingress"
SECRET = "router-api"  # noqa: S105 - its name
OLD_SECONDS = 150.0  # more than two full readings of Marathon
_HOST = "/utopia-status"  # a path of no application: what it answers does not matter


def check(view: View) -> list[Health]:
    """Every edge node."""
    nodes = view.cluster.with_role(ROLE)
    answers = gather({node.name: partial(_node, view, node) for node in nodes}, view.seconds + 0.2)
    late = "does not answer in time"
    return [
        answers[node.name] or Health(ROLE, node.name, "failed", late, view.journal(node.name, "haproxy"))
        for node in nodes
    ]


def facts(address: str, port: int, login: Login | None, *, seconds: float) -> Mapping[str, Any] | None:
    """What the provider tells of itself; None for one that tells nothing but that it runs. Raises UnansweredError."""
    answer = get(address, port, "/healthz", login=login, seconds=seconds)
    if answer.status in (200, 503):
        return dict(answer.json())
    if answer.status == 401:
        raise UnansweredError("refuses the operator's login")
    alive = get(address, port, "/status", login=login, seconds=seconds)
    if alive.status != 200:
        raise UnansweredError(f"answers {alive.status} to /status")
    return None


def _node(view: View, node: Node) -> Health:
    address, unit = str(node.address), view.unit(ROLE)
    try:
        get(address, view.port(ROLE, "http"), _HOST, seconds=view.seconds / 2)
    except UnansweredError as error:
        return Health(ROLE, node.name, "failed", f"HAProxy {error}", view.journal(node.name, "haproxy"))
    try:
        told = facts(address, view.port(ROLE, "api"), view.logins.get(SECRET), seconds=view.seconds / 2)
    except UnansweredError as error:
        text = f"HAProxy serves, but nobody tells it of changes: {unit} {error}"
        return Health(ROLE, node.name, "degraded", text, view.journal(node.name, unit))
    if told is None:
        return Health(ROLE, node.name, "ok", f"HAProxy serves, {unit} runs")
    return _judge(view, node, told)


def _judge(view: View, node: Node, told: Mapping[str, Any]) -> Health:
    age = told.get("view_age_seconds")
    seen = "has not read Marathon yet" if age is None else f"its view of Marathon is {age:.0f} s old"
    text = f"{told.get('apps', 0)} applications, {told.get('rules', 0)} rules; {seen}"
    marathon, zookeeper = told.get("marathon", {}), told.get("zookeeper", {})
    wrong = []
    if not told.get("applied"):
        wrong.append(f"HAProxy does not run what is wanted ({told.get('last_error') or 'not yet'})")
    if age is None or age > OLD_SECONDS:
        wrong.append(f"Marathon: {marathon.get('error') or 'no answer'}"[:100])
    if zookeeper.get("enabled") and not zookeeper.get("connected"):
        wrong.append(f"ZooKeeper: {zookeeper.get('error') or 'not connected'}"[:100])
    if wrong:
        journal = view.journal(node.name, view.unit(ROLE))
        return Health(ROLE, node.name, "degraded", "; ".join([text, *wrong]), journal)
    if told.get("problems"):  # an application's own affair: the others are served
        text += f"; {told['problems']} rules or labels are wrong: see /api/problems of the router"
    return Health(ROLE, node.name, "ok", text)
