"""Role logs, whichever shipper fills it: every node's lines are found, soon and whole, and nothing was lost."""

from __future__ import annotations

import time

import pytest
from node_facts import SECONDS, Facts, not_running, not_somebodys

from bootstrap import log_index
from bootstrap.health import logs
from bootstrap.health.logs import Seen
from bootstrap.health.net import Login, UnansweredError
from bootstrap.log_index import LogIndex
from bootstrap.model import Cluster, Node
from bootstrap.secrets import Secrets

ROLE, AGENT = "logs", "mesos-agent"
HEARD_SECONDS = 90.0  # from the start of a shipper to its first report
FIELDS = {"@timestamp", "message", "node", "environment", "stream"}


@pytest.fixture(scope="module")
def index(cluster: Cluster, secrets: Secrets) -> LogIndex:
    return log_index.of(cluster, Login("operator", secrets.value(log_index.SECRET)))


@pytest.fixture(scope="module")
def seen(cluster: Cluster, index: LogIndex) -> dict[str, Seen]:
    """What the index has of each node; a node that has just been set up is given time to be heard of."""
    deadline = time.monotonic() + HEARD_SECONDS
    names = {node.name for node in cluster.with_role(ROLE)}
    while True:
        try:
            found = logs.ask(index, seconds=SECONDS)
            if names <= {name for name, each in found.items() if each.age < logs.OLD_SECONDS}:
                return found
        except UnansweredError:
            found = {}
        if time.monotonic() > deadline:
            return found
        time.sleep(1)


def test_unit(facts: Facts, cluster: Cluster) -> None:
    """Its shipper runs, now and after a boot"""
    wrong = not_running(facts, list(cluster.roles[ROLE].restart))
    assert not wrong, "; ".join(wrong)


def test_user(facts: Facts, cluster: Cluster) -> None:
    """Its shipper has a user of its own, which is not root"""
    wrong = not_somebodys(facts, list(cluster.roles[ROLE].restart))
    assert not wrong, "; ".join(wrong)


def test_heard_of(node: Node, seen: dict[str, Seen]) -> None:
    """Its newest line in the index is young"""
    assert node.name in seen, "no line of it is in the index"
    assert seen[node.name].age < logs.OLD_SECONDS


def test_nothing_lost(node: Node, seen: dict[str, Seen]) -> None:
    """Its shipper has lost no line, and the index refused none"""
    assert node.name in seen, "no line of it is in the index"
    lost, refused = seen[node.name].lost, seen[node.name].refused
    assert (lost, refused) == (0, 0), f"{lost} lost, {refused} refused; see docs/logs.md for how to take note"


def test_canary(cluster: Cluster, songs: dict[str, float]) -> None:
    """The line of a container on each agent is found"""
    assert set(songs) == {node.name for node in cluster.with_role(AGENT)}


def test_fields(node: Node, index: LogIndex, seen: dict[str, Seen]) -> None:
    """Its lines tell time, node, environment and stream"""
    assert node.name in seen, "no line of it is in the index"
    query = {"query": {"term": {"node": node.name}}, "sort": [{"@timestamp": "desc"}], "size": 1}
    line = index.search(query, seconds=SECONDS)["hits"]["hits"][0]["_source"]
    assert set(line) >= FIELDS
    assert "." in line["@timestamp"], "its time has no parts of a second"
