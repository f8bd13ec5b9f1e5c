"""Who is asked for figures follows from the role table alone."""

from __future__ import annotations

import pytest
import yaml

from bootstrap import config, paths, plan
from bootstrap.scraping import SCRAPE_SECRET


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    return plan.make(config.load("local"))


def targets(made, job):
    server = made.cluster.with_role("alerts")[0].name
    return [each["node"] for each in made.node_pillar[server]["alerts"]["jobs"][job]["targets"]]


def test_every_node_is_asked_once_and_each_program_where_it_is(made):
    everyone = [node.name for node in made.cluster.nodes]
    assert targets(made, "utopia") == targets(made, "node") == everyone
    assert targets(made, "marathon") == [node.name for node in made.cluster.with_role("marathon")]
    assert targets(made, "router") == targets(made, "haproxy") == ["edge-1"]


def test_an_exporter_has_logins_of_what_is_beside_it_alone(made):
    secrets = {name: {each["secret"] for each in made.node_pillar[name]["monitoring"]["logins"].values()}
               for name in ("admin-1", "agent-1", "edge-1")}  # fmt: skip
    assert secrets["admin-1"] == {SCRAPE_SECRET}
    assert secrets["agent-1"] == {SCRAPE_SECRET, "mesos-operator"}
    assert secrets["edge-1"] == {SCRAPE_SECRET, "router-api"}
    for node in made.cluster.nodes:
        logins = made.node_pillar[node.name]["monitoring"]["logins"].values()
        assert {each["secret"] for each in logins} <= set(made.secrets[node.name])


def test_the_server_has_the_passwords_of_no_other_service(made):
    server = made.cluster.with_role("alerts")[0].name
    assert "marathon-operator" not in made.secrets[server]
    assert "mesos-operator" not in made.secrets[server]


def test_the_targets_are_in_the_pillar_of_the_server_alone(made):
    assert [name for name, pillar in made.node_pillar.items() if "alerts" in pillar] == ["admin-1"]


def test_another_provider_of_a_role_is_not_asked_for_what_it_does_not_tell(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    document = yaml.safe_load((paths.PILLAR / "env/local/cluster.yaml").read_text())
    document["providers"] = {"ingress": "bamboo"}
    (tmp_path / "local").mkdir(exist_ok=True)
    (tmp_path / "local/cluster.yaml").write_text(yaml.safe_dump(document))
    made = plan.make(config.load(str(tmp_path / "local")))
    assert "router" not in made.node_pillar["admin-1"]["alerts"]["jobs"]
    assert targets(made, "haproxy") == ["edge-1"]


def test_by_new_relic_no_node_has_an_exporter(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    document = yaml.safe_load((paths.PILLAR / "env/prod/cluster.yaml").read_text()) | {
        "everywhere": ["logs", "monitoring"]
    }
    (tmp_path / "prod").mkdir(exist_ok=True)
    (tmp_path / "prod/cluster.yaml").write_text(yaml.safe_dump(document))
    made = plan.make(config.load(str(tmp_path / "prod")))
    assert not any("monitoring" in pillar for pillar in made.node_pillar.values())
    assert all("given-newrelic-license" in names for names in made.secrets.values())
