"""Role alerts: figures of every node arrive, and what an alert is, is in force."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from node_facts import SECONDS, Facts, closed, not_running

from bootstrap import paths
from bootstrap.health.net import Login, get
from bootstrap.model import Cluster, Node
from bootstrap.plan import Plan
from bootstrap.secrets import Secrets

ROLE = "alerts"
FIRST_ANSWERS = 60.0  # after its start every target has been asked at least once
PORTS = ("prometheus", "alertmanager")


@pytest.fixture(scope="module")
def ask(cluster: Cluster, secrets: Secrets) -> Callable[..., Any]:
    """GET of one of the services over verified TLS."""
    ports = {port.name: port.number for port in cluster.roles[ROLE].ports}
    ca = paths.state_dir(cluster.env) / "ca" / "ca.crt"
    address = str(cluster.with_role(ROLE)[0].address)
    login = Login("operator", secrets.value("prometheus-operator"))

    def get_of(service: str, path: str, as_whom: Login | None = login) -> Any:
        return get(address, ports[service], path, login=as_whom, ca=ca, seconds=SECONDS)

    return get_of


def test_units(facts: Facts, cluster: Cluster) -> None:
    """Its services run, now and after a boot"""
    wrong = not_running(facts, list(cluster.roles[ROLE].restart))
    assert not wrong, "; ".join(wrong)


def test_ports(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Listens where the role says"""
    wrong = closed(facts, str(node.address), cluster.roles[ROLE].ports)
    assert not wrong, "; ".join(wrong)


def test_login(ask: Callable[..., Any]) -> None:
    """Shows nothing to those without the login"""
    for service in PORTS:
        assert ask(service, "/", None).status == 401
        assert ask(service, "/-/ready", Login("operator", "wrong")).status == 401


def test_targets(ask: Callable[..., Any], cluster: Cluster, made: Plan) -> None:
    """Every node of the role table is asked, and answers"""
    jobs = made.node_pillar[cluster.with_role(ROLE)[0].name]["alerts"]["jobs"]
    wanted = {(job, target["node"]) for job, told in jobs.items() for target in told["targets"]}
    path = "/api/v1/query?query=" + urllib.parse.quote("up == 1")
    end = time.monotonic() + FIRST_ANSWERS
    missing = wanted
    while missing and time.monotonic() < end:
        found = ask("prometheus", path).json()["data"]["result"]
        missing = wanted - {(row["metric"]["job"], row["metric"]["node"]) for row in found}
        time.sleep(1 if missing else 0)
    assert not missing, f"no figures from: {', '.join(f'{job} of {node}' for job, node in sorted(missing))}"


def test_rules(ask: Callable[..., Any]) -> None:
    """Its rules are in force, each with a runbook, and none has an error"""
    groups = ask("prometheus", "/api/v1/rules?type=alert").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 25
    assert [rule["name"] for rule in rules if not rule["annotations"].get("runbook")] == []
    assert [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] == "err"] == []


def test_alertmanager(ask: Callable[..., Any]) -> None:
    """Alerts reach Alertmanager"""
    found = ask("prometheus", "/api/v1/alertmanagers").json()["data"]
    assert (len(found["activeAlertmanagers"]), found["droppedAlertmanagers"]) == (1, [])
    assert ask("alertmanager", "/api/v2/status").json()["config"]["original"]
