"""What `status` makes of Prometheus, of its alerts, and of its being away."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from bootstrap import config, paths
from bootstrap.cli.status import rows
from bootstrap.health import View, alerts, figures, monitoring
from bootstrap.health.net import Answer, Login, UnansweredError

ALERT = {
    "state": "firing",
    "labels": {"alertname": "AgentGone", "severity": "critical", "node": "control-1"},
    "annotations": {"summary": "only 1 of 2", "runbook": "bootstrap status names it"},
}


@pytest.fixture
def view(tmp_path, monkeypatch) -> View:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    (paths.state_dir("local") / "ca").mkdir(parents=True)
    (paths.state_dir("local") / "ca" / "ca.crt").write_text("CERTIFICATE\n")
    login = Login("operator", "s3cret")
    return View(config.load("local"), login, logins={alerts.SECRET: login, "marathon-operator": login})


@pytest.fixture
def services(monkeypatch):
    """Path -> its answer; a path that is not there is a service that is down."""
    known: dict[str, Any] = {}

    def get(address: str, port: int, path: str, **_more: Any) -> Answer:
        name = path.partition("?")[0]
        if name not in known:
            raise UnansweredError("refuses connections")
        return Answer(200, {}, json.dumps(known[name]).encode())

    monkeypatch.setattr(alerts, "get", get)
    monkeypatch.setattr(figures, "get", get)
    return known


def test_what_fires_is_shown_and_does_not_decide(view, services):
    services |= {"/-/ready": {}, "/api/v1/alerts": {"data": {"alerts": [ALERT, {**ALERT, "state": "pending"}]}}}
    found = alerts.check(view)
    assert [entry.state for entry in found] == ["ok", "firing"]
    assert found[1].detail == "AgentGone (critical): only 1 of 2; bootstrap status names it"
    assert not any(entry.wrong for entry in found)
    assert any("AgentGone" in row[3] for row in rows(found * 20)), "never folded into a row of well nodes"


def test_a_server_that_is_down(view, services):
    found = alerts.check(view)
    assert [entry.state for entry in found] == ["failed", "failed"]
    assert all("refuses connections" in entry.detail and entry.next_step for entry in found)


def test_exporters_are_asked_for_where_prometheus_does_not_know_them(view, services, monkeypatch):
    up = [{"metric": {"node": node.name}, "value": [0, "1"]} for node in view.cluster.nodes[:-1]]
    services["/api/v1/query"] = {"data": {"result": up}}
    asked = []

    def open_ports(targets, **_more):
        asked.extend(targets)
        return dict.fromkeys(asked, "refuses connections")

    monkeypatch.setattr(monitoring, "open_ports", open_ports)
    found = monitoring.check(view)
    last = view.cluster.nodes[-1]
    assert asked == [(str(last.address), 9105)]
    assert [entry.node for entry in found if entry.wrong] == [last.name]
    del services["/api/v1/query"]
    asked.clear()
    monitoring.check(view)
    assert len(asked) == len(view.cluster.nodes), "without Prometheus every node is asked"


def test_a_provider_that_tells_its_vendor_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    document = yaml.safe_load((paths.PILLAR / "env/prod/cluster.yaml").read_text()) | {
        "everywhere": ["logs", "monitoring"]
    }
    (tmp_path / "prod").mkdir(exist_ok=True)
    (tmp_path / "prod/cluster.yaml").write_text(yaml.safe_dump(document))
    found = monitoring.check(View(config.load(str(tmp_path / "prod"))))
    assert {entry.state for entry in found} == {"unasked"}


def test_figures(view, services):
    rows = [("agents", "2"), ("cpus_share", "0.5"), ("applications", "3")]
    told = [{"metric": {"figure": name}, "value": [0, value]} for name, value in rows]
    services["/api/v1/query"] = {"data": {"result": told}}
    found = figures.ask(view)
    assert found.source == "prometheus"
    assert found.line == "agents 2, cpus share 50%, applications 3 (from prometheus)"


def test_figures_of_the_services_themselves(view, services):
    services["/metrics/snapshot"] = {"master/slaves_active": 2.0, "master/tasks_running": 5, "other": 1}
    services["/metrics"] = {"gauges": {"marathon.apps.active.gauge": {"value": 3}}}
    found = figures.ask(view)
    assert found.source == "services"
    assert found.values == {"agents": 2, "tasks": 5, "applications": 3}


def test_nobody_knows_any(view, services):
    assert figures.ask(view) == figures.Figures()
    assert figures.ask(view).line == ""
