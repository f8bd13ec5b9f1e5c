"""Role elasticsearch, whichever build fills it: each member, and that they are one cluster."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from node_facts import SECONDS, Facts, closed, not_running, not_somebodys

from bootstrap import paths
from bootstrap.health import elasticsearch
from bootstrap.health.elasticsearch import Member
from bootstrap.health.net import Login, UnansweredError, get
from bootstrap.model import Cluster, Node
from bootstrap.secrets import Secrets

ROLE = "elasticsearch"
INDEX = "applogs-proof"


@pytest.fixture(scope="module")
def port(cluster: Cluster) -> int:
    return next(port.number for port in cluster.roles[ROLE].ports if port.name == "http")


@pytest.fixture(scope="module")
def ca(cluster: Cluster) -> Path:
    return paths.state_dir(cluster.env) / "ca" / "ca.crt"


@pytest.fixture(scope="module")
def login(secrets: Secrets) -> Login:
    return Login("operator", secrets.value(elasticsearch.SECRET))


@pytest.fixture(scope="module")
def members(cluster: Cluster, port: int, ca: Path, login: Login) -> dict[str, Member]:
    """What every member says of its cluster."""
    nodes = cluster.with_role(ROLE)
    return {node.name: elasticsearch.ask(str(node.address), port, login, ca, seconds=SECONDS) for node in nodes}


def ask(method: str, url: tuple[str, int, Path], path: str, login: Login, body: Any = None) -> tuple[int, Any]:
    """One request over verified TLS: (status, JSON)."""
    address, port, ca = url
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection(address, port, timeout=SECONDS, context=context)
    headers = {"Authorization": login.header, "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else None


def test_unit(facts: Facts, cluster: Cluster) -> None:
    """Its service runs, now and after a boot"""
    wrong = not_running(facts, list(cluster.roles[ROLE].restart))
    assert not wrong, "; ".join(wrong)


def test_user(facts: Facts, cluster: Cluster) -> None:
    """Its service has a user of its own, which is not root"""
    wrong = not_somebodys(facts, list(cluster.roles[ROLE].restart))
    assert not wrong, "; ".join(wrong)


def test_ports(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Listens on the role's ports"""
    wrong = closed(facts, str(node.address), cluster.roles[ROLE].ports)
    assert not wrong, "; ".join(wrong)


def test_one_cluster(cluster: Cluster, members: dict[str, Member]) -> None:
    """Every member is in one and the same cluster, of all members, and no shard is lost"""
    silent = {name: member.why for name, member in members.items() if member.why}
    assert not silent, f"no answer: {silent}"
    assert {(member.cluster, member.nodes) for member in members.values()} == {(cluster.env, len(members))}
    assert {member.status for member in members.values()} == {"green"}


def test_authentication(node: Node, port: int, ca: Path) -> None:
    """Answers nobody without the right password"""
    for login in (None, Login("operator", "wrong"), Login("elastic", "changeme")):
        assert get(str(node.address), port, "/_cluster/health", login=login, ca=ca, seconds=SECONDS).status == 401


def test_no_plain_text(node: Node, port: int) -> None:
    """Speaks TLS only"""
    with pytest.raises(UnansweredError):
        get(str(node.address), port, "/_cluster/health", seconds=SECONDS)


def test_no_second_cluster(cluster: Cluster, port: int, ca: Path, login: Login) -> None:
    """Every member is in the cluster that was formed once: all know it by the same id"""
    found = {
        node.name: ask("GET", (str(node.address), port, ca), "/_cluster/state/version?local=true", login)[1]
        for node in cluster.with_role(ROLE)
    }
    ids = {state["cluster_uuid"] for state in found.values()}
    assert len(ids) == 1, f"more than one cluster: {found}"
    assert ids != {"_na_"}, "no cluster was ever formed"


def test_old_indices_are_looked_for(facts: Facts) -> None:
    """The timer that deletes old indices runs"""
    wrong = not_running(facts, ["elasticsearch-retention.timer"])
    assert not wrong, "; ".join(wrong)


def test_a_shipper_adds_and_reads_nothing(
    cluster: Cluster, port: int, ca: Path, login: Login, secrets: Secrets
) -> None:
    """A line written on one member by the shipper is found on another by the reader; neither may do more"""
    nodes = [str(node.address) for node in cluster.with_role(ROLE)]
    first, last = (nodes[0], port, ca), (nodes[-1], port, ca)
    shipper = Login("shipper", secrets.value("elasticsearch-shipper"))
    reader = Login("reader", secrets.value("elasticsearch-reader"))
    # Checks that were begun beside a run's phases are stopped when a phase changes something, wherever they are.
    assert ask("DELETE", first, f"/{INDEX}?ignore_unavailable=true", login)[0] == 200
    try:
        line = {"@timestamp": "2020-01-01T00:00:00.000000Z", "message": "proof", "app": "/proof"}
        status, answer = ask("POST", first, f"/{INDEX}/_create/1?refresh=true", shipper, line)
        assert status == 201, answer
        assert ask("POST", first, f"/{INDEX}/_create/1", shipper, line)[0] == 409, "a repeated line is doubled"
        assert ask("GET", first, f"/{INDEX}/_search", shipper)[0] == 403, "the shipper may read"
        assert ask("DELETE", first, f"/{INDEX}", shipper)[0] == 403, "the shipper may delete"
        status, found = ask("GET", last, f"/{INDEX}/_search?q=app:%22/proof%22", reader)
        assert (status, found["hits"]["total"]["value"]) == (200, 1)
        assert ask("POST", last, f"/{INDEX}/_create/2", reader, line)[0] == 403, "the reader may write"
        keeper = Login("retention", secrets.value("elasticsearch-retention"))
        assert ask("GET", last, f"/{INDEX}/_search", keeper)[0] == 403, "who deletes old indices may read"
        assert ask("GET", last, f"/_cat/indices/{INDEX}?format=json", keeper)[0] == 200
    finally:
        assert ask("DELETE", first, f"/{INDEX}", login)[0] == 200
