"""Aggregators of log lines: what of them is refused, and what every shipper is told of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap import config, firewall, paths, plan
from bootstrap.checks.finding import Finding
from bootstrap.config import Checked

Check = Callable[..., Checked]
OURS = ("control-1", "control-2")
CARRIERS = {f"nodes/{name}/roles": ["zookeeper", "elasticsearch", "log-aggregator"] for name in OURS}
THEIRS = ["logs.example.com:24224", "192.0.2.7:24225"]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Production with some keys of its topology changed."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))

    def run(**changes: Any) -> Checked:
        document = yaml.safe_load((paths.PILLAR / "env/prod/cluster.yaml").read_text())
        members = (*OURS, "control-3")
        document["nodes"] = {name: document["nodes"][name] for name in ("admin-1", *members)}
        for name in members:
            document["nodes"][name]["roles"] = ["zookeeper", "elasticsearch"]
        for way, value in changes.items():
            inner = document
            *outer, last = way.split("/")
            for key in outer:
                inner = inner[key]
            inner[last] = value
        path = tmp_path / "prod" / "cluster.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(document))
        return config.check(str(path))

    return run


def errors(checked: Checked) -> list[tuple[str, str, str]]:
    def told(finding: Finding) -> tuple[str, str, str]:
        return finding.path, finding.message, finding.fix

    return [told(finding) for finding in checked.findings if finding.severity == "error"]


def planned(checked: Checked) -> plan.Plan:
    assert checked.cluster, errors(checked)
    return plan.make(checked.cluster)


def test_every_shipper_knows_every_aggregator_by_the_name_of_its_certificate(check: Check) -> None:
    made = planned(check(**CARRIERS))
    told = made.pillar["logs"]
    assert told["aggregators"] == [
        {"name": "control-1.prod.example.com", "host": "10.20.0.11", "port": 24224},
        {"name": "control-2.prod.example.com", "host": "10.20.0.12", "port": 24224},
    ]
    assert (told["aggregators_ca"], told["aggregator_port"]) == ("/etc/utopia/ca.crt", 24224)
    assert "fluentd-aggregator.service" not in told["units"], "what it says would go round in a circle"
    for name in OURS:
        assert f"{name}.prod.example.com" in made.certificates[name]
        assert {"fluentd-shared-key", "elasticsearch-shipper"} <= set(made.secrets[name])
    assert "elasticsearch-shipper" not in made.secrets["admin-1"], (
        "who sends to an aggregator has no login of the index"
    )
    assert "fluentd-shared-key" in made.secrets["admin-1"]
    assert "elasticsearch-shipper" in planned(check()).secrets["admin-1"]
    assert (
        "control-3" not in made.certificates or "log-aggregator.prod.example.com" not in made.certificates["control-3"]
    )


def test_aggregators_are_up_before_the_shippers(check: Check) -> None:
    with_role = {phase.name: phase for phase in planned(check(**CARRIERS)).phases}
    assert "log-aggregator" in with_role["logs"].needs
    assert with_role["log-aggregator"].nodes == OURS
    without = {phase.name: phase for phase in planned(check()).phases}
    assert "log-aggregator" not in without
    assert without["logs"].needs == ("elasticsearch",)


def test_their_port_is_open_to_shippers_and_to_nobody_else(check: Check) -> None:
    checked = check(**CARRIERS)
    assert checked.cluster
    (rule,) = [rule for rule in firewall.of(checked.cluster) if rule.role == "log-aggregator"]
    assert (rule.ports, rule.protocol, rule.callers) == ("24224", "tcp", ("logs",))
    assert rule.as_json(checked.cluster)["to_addresses"] == ["10.20.0.11", "10.20.0.12"]


def test_without_the_role_lines_go_into_the_index_or_to_somebody_elses(check: Check) -> None:
    assert planned(check()).pillar["logs"]["aggregators"] == []
    theirs = {"fluentd": {"aggregators": THEIRS, "aggregators_ca": "/etc/ssl/theirs.crt"}}
    told = planned(check(settings=theirs)).pillar["logs"]
    assert told["aggregators"] == [
        {"name": "logs.example.com", "host": "logs.example.com", "port": 24224},
        {"name": "", "host": "192.0.2.7", "port": 24225},
    ]
    assert told["aggregators_ca"] == "/etc/ssl/theirs.crt"
    assert "elasticsearch-shipper" not in planned(check(settings=theirs)).secrets["admin-1"]


def test_a_shipper_that_cannot_send_to_them_is_refused(check: Check) -> None:
    found = errors(check(**CARRIERS, providers={"logs": "rsyslog"}))
    assert found == [
        (
            "nodes.control-1.roles",
            "no shipper sends to role log-aggregator: rsyslog fills logs, and writes into the index itself",
            "write providers: {logs: fluentd}, or take the role away",
        )
    ]


def test_an_aggregator_ships_its_own_lines(check: Check) -> None:
    found = errors(check(**CARRIERS, everywhere=[]))
    assert [(path, message) for path, message, _ in found] == [
        (
            f"nodes.{name}.roles",
            "role log-aggregator without role logs on the same node: nobody would hear what it loses",
        )
        for name in OURS
    ]


def test_two_lists_of_aggregators_are_refused(check: Check) -> None:
    ((path, message, fix),) = errors(check(**CARRIERS, settings={"fluentd": {"aggregators": THEIRS}}))
    assert path == "settings.fluentd.aggregators"
    assert message == "nodes with role log-aggregator take the lines, so nothing is sent to these"
    assert fix == "remove the setting, or take the role log-aggregator away"


@pytest.mark.parametrize(
    ("place", "example"),
    [
        ("logs.example.com", "logs.example.com:24224"),
        ("logs.example.com:0", "logs.example.com:24224"),
        ("10.0.0.1:70000", "10.0.0.1:24224"),
        ("https://logs.example.com:443", "https:24224"),
        (":24224", "logs.example.com:24224"),
    ],
)
def test_a_place_without_host_or_port_is_refused(check: Check, place: str, example: str) -> None:
    ((path, message, fix),) = errors(check(settings={"fluentd": {"aggregators": [THEIRS[0], place]}}))
    assert (path, message) == ("settings.fluentd.aggregators.1", "not a place to send lines to")
    assert fix == f'write host:port, such as "{example}"'


def test_one_alone_is_told_in_production(check: Check) -> None:
    checked = check(**{"nodes/control-1/roles": ["zookeeper", "elasticsearch", "log-aggregator"]})
    assert any("role log-aggregator has no spare" in finding.message for finding in checked.warnings)
