"""Role monitoring, whichever provider fills it: every node tells its figures, to those who may ask alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from node_facts import SECONDS, Facts, closed, not_running
from prometheus_client.parser import text_string_to_metric_families

from bootstrap import paths
from bootstrap.health.net import Answer, Login, UnansweredError, get
from bootstrap.model import Cluster, Node
from bootstrap.plan import Plan
from bootstrap.scraping import SCRAPE_SECRET

ROLE = "monitoring"


@pytest.fixture(scope="module")
def ask(cluster: Cluster) -> Callable[..., Any]:
    """GET of a node's exporter over verified TLS."""
    port = next(port.number for port in cluster.roles[ROLE].ports if port.name == "exporter")
    ca: Path = paths.state_dir(cluster.env) / "ca" / "ca.crt"

    def get_of(node: Node, path: str, as_whom: Login | None) -> Any:
        return get(str(node.address), port, path, login=as_whom, ca=ca, seconds=SECONDS)

    return get_of


def values(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for sample in samples(text):
        found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def samples(text: str) -> Iterator[Any]:
    for family in text_string_to_metric_families(text):
        yield from family.samples


def asked(cluster: Cluster) -> bool:
    """Whether the provider is asked for figures, or tells them to its vendor by itself."""
    return SCRAPE_SECRET in cluster.roles[ROLE].secrets


def test_units(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Its services run, now and after a boot"""
    wrong = not_running(facts, list(cluster.roles[ROLE].beside_roles(node.roles).restart))
    assert not wrong, "; ".join(wrong)


def test_ports(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Listens where the role says, if its provider is one that is asked"""
    wrong = closed(facts, str(node.address), cluster.roles[ROLE].ports) if asked(cluster) else []
    assert not wrong, "; ".join(wrong)


def test_login(node: Node, cluster: Cluster, made: Plan, ask: Callable[..., Any]) -> None:
    """Tells nothing to those without the login, and nothing without TLS"""
    if not asked(cluster):
        return
    assert ask(node, "/metrics", None).status == 401
    assert ask(node, "/node", Login("prometheus", "wrong")).status == 401
    for port in made.node_pillar[node.name]["monitoring"]["local_ports"].values():
        with pytest.raises(UnansweredError):
            get(str(node.address), port, "/metrics", seconds=2)  # on loopback, as they ask for no login


def test_parts(node: Node, cluster: Cluster, made: Plan, figures: Mapping[str, Answer]) -> None:
    """Every part of the node gives its figures"""
    if not asked(cluster):
        return
    found = values(figures["/metrics"].body.decode())
    silent = [labels["part"] for labels, value in found["utopia_part_up"] if value != 1]
    assert not silent, f"without figures: {', '.join(silent)}"
    parts = {labels["part"] for labels, _ in found["utopia_part_up"]}
    own = made.node_pillar[node.name]["monitoring"]
    assert {f"mesos-{name}" for name in own["mesos"]} <= parts
    assert ("zookeeper" in parts) == ("zookeeper" in node.roles)
    assert ("containers" in parts) == ("docker" in node.roles)
    assert ("log-shipper" in parts) == ("logs" in node.roles)
    assert {labels["port"] for labels, value in found["utopia_certificate_valid"] if value == 1} == {
        port.rpartition(":")[2] for port in own["tls_ports"]
    }


def test_relays(node: Node, cluster: Cluster, made: Plan, figures: Mapping[str, Answer]) -> None:
    """What other programs of the node tell is handed on"""
    if not asked(cluster):
        return
    for name in made.node_pillar[node.name]["monitoring"]["relays"]:
        answer = figures[f"/{name}"]
        assert answer.status == 200, f"/{name}: {answer.body[:200]!r}"
        assert any(True for _ in samples(answer.body.decode())), f"/{name} tells nothing"
        if name == "elasticsearch":  # an exporter that is refused tells so, and little else
            found = values(answer.body.decode())
            assert found["elasticsearch_cluster_health_up"] == [({}, 1)]
            assert found["elasticsearch_node_stats_up"] == [({}, 1)]
            members = {labels["name"] for labels, _ in found["elasticsearch_jvm_uptime_seconds"]}
            assert members == {node.name}
