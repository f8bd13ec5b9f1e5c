"""Which implementation fills a role, and what follows from it; Marathon's flags."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bootstrap import config, paths, plan
from bootstrap.checks import marathon_flags
from bootstrap.model import Addition, Provider, Role

ROW = Role(
    "marathon",
    "",
    ("common",),
    restart={"first": "1"},
    secrets=("a",),
    artifacts=("x",),
    providers=(
        Provider("original", ("java", "marathon"), {"marathon": "1"}, ("b",), ("archive",)),
        Provider("ours", ("services",), {"ours": "1"}, ("a", "c"), ("x", "wheels"), lab=True),
    ),
)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Plan of a topology of the checkout with some keys replaced."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))

    def make(env: str, **changes):
        document = yaml.safe_load((paths.PILLAR / "env" / env / "cluster.yaml").read_text()) | changes
        (tmp_path / env).mkdir(exist_ok=True)
        path = tmp_path / env / "cluster.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return config.check(str(path))

    return make


@pytest.mark.parametrize(("lab", "name"), [(False, "original"), (True, "ours")])
def test_the_default_is_the_first_or_that_of_labs(lab: bool, name: str) -> None:
    assert ROW.default_provider(lab=lab) == name


def test_without_one_for_labs_the_first_is_the_default_there_too() -> None:
    assert Role("x", "", (), providers=(Provider("a"), Provider("b"))).default_provider(lab=True) == "a"
    assert Role("x", "", ()).default_provider(lab=True) == ""


def test_a_row_with_what_its_provider_adds() -> None:
    filled = ROW.filled_by("ours")
    assert filled.provider == "ours"
    assert filled.components == ("common", "services")
    assert filled.restart == {"first": "1", "ours": "1"}
    assert filled.secrets == ("a", "c")
    assert filled.artifacts == ("x", "wheels")


def test_a_row_with_what_it_adds_beside_another_role() -> None:
    added = (Addition("docker", ("shim",), {"shim": "10%"}), Addition("logs", ("tap",), {}))
    row = replace(ROW, providers=(Provider("ours", ("services",), {"ours": "1"}, additions=added),)).filled_by("ours")
    assert (row.components, row.restart) == (("common", "services"), {"first": "1", "ours": "1"})
    beside = row.beside_roles(("marathon", "docker"))
    assert beside.components == ("common", "services", "shim")
    assert beside.restart == {"first": "1", "ours": "1", "shim": "10%"}
    assert row.beside_roles(("docker", "logs")).components == ("common", "services", "shim", "tap")
    assert row.filled_by("another").beside_roles(("docker",)).components == ("common", "services")


def test_what_is_added_beside_another_role_is_a_phase_on_the_nodes_that_have_both(made) -> None:
    checked = made("local")
    phases = {phase.name: phase for phase in plan.make(checked.cluster).phases}
    added = phases["monitoring+elasticsearch"]
    assert (added.kind, added.role, added.needs) == ("role", "monitoring", ("monitoring",))
    assert (added.components, added.nodes) == (("elasticsearch-exporter",), ("control-1", "control-2", "control-3"))
    assert "elasticsearch-exporter" not in phases["monitoring"].components
    assert added.name in phases["verify"].needs or added.name in phases["seal"].needs
    having = {node for node in ("admin-1", "control-1", "edge-1") if added.components[0] in components(checked, node)}
    assert having == {"control-1"}


def components(checked, node: str) -> list[str]:
    assert checked.cluster, checked.findings
    return list(plan.make(checked.cluster).node_pillar[node]["components"])


def test_labs_and_production_differ_in_their_defaults(made) -> None:
    lab = {name: components(made("local"), name) for name in ("control-1", "edge-1")}
    production = {name: components(made("prod", providers={}), name) for name in ("control-1", "edge-1")}
    assert {"utopia-services", "utopia-scheduler", "elasticsearch", "utopia-exporter"} <= set(lab["control-1"])
    assert {"haproxy", "utopia-services", "utopia-router", "node-exporter"} <= set(lab["edge-1"])
    assert {"marathon", "elasticsearch"} <= set(production["control-1"])
    assert {"haproxy", "bamboo"} <= set(production["edge-1"])
    assert not {"marathon", "bamboo", "newrelic-infra"} & {name for names in lab.values() for name in names}
    assert not {"utopia-scheduler", "utopia-router", "utopia-exporter"} & {n for ns in production.values() for n in ns}


def test_the_topology_chooses_and_artifacts_and_secrets_follow(made) -> None:
    checked = made("prod", providers={"marathon": "utopia-scheduler", "ingress": "utopia-router"})
    assert "utopia-scheduler" in components(checked, "control-1")
    chosen = plan.make(checked.cluster)
    assert "services" in chosen.artifacts
    assert not {"marathon", "bamboo"} & set(chosen.artifacts)
    assert "router-api" in chosen.secrets["edge-1"]
    originals = plan.make(made("prod").cluster)
    assert {"marathon", "bamboo"} <= set(originals.artifacts)
    assert "router-api" not in originals.secrets["edge-1"]


def test_a_provider_that_does_not_exist_has_a_near_one(made) -> None:
    (finding,) = made("prod", providers={"marathon": "utopia-sheduler"}).findings
    assert finding.message == "unknown provider utopia-sheduler of role marathon"
    assert finding.fix == "did you mean utopia-scheduler?"


FLAGS = [
    ({"zk_session_timeout": 20000, "ha": True, "suppress_offers": False}, "", ""),
    ({"event_subscriber": "http_callback"}, "Marathon 1.11 has no flag event_subscriber", "/v2/events"),
    ({"zk_sesion_timeout": 1}, "unknown flag zk_sesion_timeout of Marathon 1.11", "zk_session_timeout"),
    ({"disable_ha": True}, "disable_ha is the switch ha, off", "write ha: false"),
    ({"ha": "yes"}, "must be true or false, not text", "true or false"),
    ({"zk_max_versions": True}, "must be a", ""),
    ({"webui_url": ""}, "must be a text or a number", "write its value"),
    ({"http_credentials": "a:b"}, "marathon.flags.http_credentials is not set in this file", "a file of its own"),
    ({"master": "zk://x"}, "marathon.flags.master is not set in this file", "topology"),
    ({"reporter_graphite": "x"}, "no flag reporter_graphite", "metrics_statsd"),
]


@pytest.mark.parametrize(("flags", "message", "fix"), FLAGS, ids=lambda value: str(value)[:40])
def test_flags_of_marathon(made, flags: dict[str, object], message: str, fix: str) -> None:
    findings = [f for f in made("prod", settings={"marathon": {"flags": flags}}).findings if f.severity == "error"]
    if not message:
        assert findings == []
        return
    assert any(message in finding.message and fix in finding.fix for finding in findings), findings


def test_our_defaults_are_flags_that_it_has() -> None:
    defaults = yaml.safe_load((paths.SALT / "marathon" / "defaults.yaml").read_text())["flags"]
    known = marathon_flags.SWITCHES | marathon_flags.VALUES
    assert set(defaults) <= known
    assert not known & set(marathon_flags.GONE)
    assert {flag for flag, value in defaults.items() if isinstance(value, bool)} <= marathon_flags.SWITCHES
