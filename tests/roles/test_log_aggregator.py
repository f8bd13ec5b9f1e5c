"""Role log-aggregator: takes lines over TLS from those who know the key, and from nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from forward_protocol import Pong, log_in
from node_facts import Facts, closed, not_running, not_somebodys
from testinfra.host import Host

from bootstrap import paths
from bootstrap.model import Cluster, Node
from bootstrap.secrets import Secrets

ROLE = "log-aggregator"
KEY = "fluentd-shared-key"
REPORT = "/usr/lib/utopia/log-shipper-report"


@pytest.fixture(scope="module")
def greet(cluster: Cluster) -> Callable[[Node, str], Pong]:
    """Log in at a node's aggregator with a key, as a shipper does."""
    port = next(port.number for port in cluster.roles[ROLE].ports if port.name == "forward")
    ca: Path = paths.state_dir(cluster.env) / "ca" / "ca.crt"

    def run(node: Node, key: str) -> Pong:
        return log_in(str(node.address), port, ca=ca, name=f"{node.name}.{cluster.domain}", key=key)

    return run


def test_unit(facts: Facts, cluster: Cluster) -> None:
    """Its service runs, now and after a boot"""
    wrong = not_running(facts, list(cluster.roles[ROLE].restart))
    assert not wrong, "; ".join(wrong)


def test_user(facts: Facts, cluster: Cluster) -> None:
    """Its service has a user of its own, which is not root"""
    wrong = not_somebodys(facts, list(cluster.roles[ROLE].restart))
    assert not wrong, "; ".join(wrong)


def test_ports(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Listens where the role says"""
    wrong = closed(facts, str(node.address), cluster.roles[ROLE].ports)
    assert not wrong, "; ".join(wrong)


def test_login(node: Node, secrets: Secrets, greet: Callable[[Node, str], Pong]) -> None:
    """Lets those in who know the key of the environment, and proves that it knows it as well"""
    assert greet(node, secrets.value(KEY)) == Pong(accepted=True, reason="", digest=True)


def test_strangers(node: Node, greet: Callable[[Node, str], Pong]) -> None:
    """Lets nobody in who does not know the key"""
    assert not greet(node, "not the key").accepted


def test_nothing_lost(node: Node, hosts: Callable[[str], Host]) -> None:
    """It has lost no line, and the index refused none"""
    told = json.loads(hosts(node.name).run(REPORT).stdout)
    assert (told["lost"], told["refused"]) == (0, 0)
