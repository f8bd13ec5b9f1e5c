"""Role mesos-master: each master, and that they agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from node_facts import SECONDS, Facts, closed, not_running

from bootstrap.catalogue import Entry
from bootstrap.health import mesos
from bootstrap.health.net import Login, get
from bootstrap.model import Cluster, Node
from bootstrap.plan import Plan

ROLE = "mesos-master"


@pytest.fixture(scope="module")
def port(cluster: Cluster) -> int:
    return next(port.number for port in cluster.roles[ROLE].ports if port.name == "http")


@pytest.fixture(scope="module")
def metrics(
    cluster: Cluster, port: int, operator: Login, at_once: Callable[..., dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """Every master's own figures, which each gives twice a second at most."""
    addresses = {node.name: str(node.address) for node in cluster.with_role(ROLE)}

    def ask(name: str) -> dict[str, float]:
        return mesos.read(addresses[name], port, "/metrics/snapshot", operator, seconds=SECONDS)

    found = at_once(set(addresses), ask)
    for answer in found.values():
        if isinstance(answer, Exception):
            raise answer
    return found


def test_unit(facts: Facts) -> None:
    """The master runs, now and after a boot"""
    wrong = not_running(facts, [ROLE])
    assert not wrong, "; ".join(wrong)


def test_user(facts: Facts) -> None:
    """One master process, and it is not root's"""
    assert facts.processes(r"^\S*/mesos-master\b") == ["mesos"]


def test_ports(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Listens on the role's ports"""
    wrong = closed(facts, str(node.address), cluster.roles[ROLE].ports)
    assert not wrong, "; ".join(wrong)


def test_version(facts: Facts, node: Node, port: int, artifacts: dict[str, Entry]) -> None:
    """Installed and running are of the artifact's version"""
    version = artifacts["mesos"].version
    assert facts.packages["utopia-mesos"].partition("-")[0] == version.partition("-")[0]
    assert get(str(node.address), port, "/version").json()["version"] == version.partition("-")[0]


def test_configuration_in_force(
    node: Node, port: int, made: Plan, operator: Login, component_settings: Callable[[str], dict[str, Any]]
) -> None:
    """The master runs with our flags and the quorum of the plan"""
    found = mesos.read(str(node.address), port, "/flags", operator, seconds=SECONDS)["flags"]
    own = {"quorum": made.pillar["mesos"]["quorum"], "cluster": made.pillar["mesos"]["cluster"], "ip": node.address}
    wrong = mesos.differences({**component_settings(ROLE)["flags"], **own}, found)
    assert not wrong, "; ".join(wrong)


def test_authentication(node: Node, port: int) -> None:
    """Nobody without the right password sees the state or becomes a framework"""
    address = str(node.address)
    open_to_all = [
        path
        for path in ("/state", "/metrics/snapshot", "/flags", "/slaves", "/api/v1/scheduler", "/api/v1")
        for login in (None, Login("operator", "wrong"))
        if get(address, port, path, login=login).status != 401
    ]
    assert not open_to_all, f"answered without a login: {', '.join(open_to_all)}"
    assert get(address, port, "/health").status == 200


def test_one_leader(metrics: dict[str, dict[str, float]]) -> None:
    """Exactly one master leads"""
    leaders = [name for name, values in metrics.items() if values["master/elected"] == 1]
    assert len(leaders) == 1, f"leaders: {', '.join(leaders) or 'none'}"


def test_agreement(cluster: Cluster, port: int, operator: Login, metrics: dict[str, dict[str, float]]) -> None:
    """All masters name the same leader, and those that stand by send clients there"""
    nodes = {node.name: str(node.address) for node in cluster.with_role(ROLE)}
    leader = nodes[next(name for name, values in metrics.items() if values["master/elected"] == 1)]
    named = {
        name: urlsplit(get(address, port, "/master/redirect", login=operator).headers.get("location", "")).hostname
        for name, address in nodes.items()
    }
    assert set(named.values()) == {leader}, f"leader is {leader}, named are: {named}"
    for name, address in nodes.items():
        answer = get(address, port, "/state", login=operator, seconds=SECONDS)
        assert answer.status == (200 if address == leader else 307), f"{name} answers {answer.status}"
        if address != leader:
            assert urlsplit(answer.headers["location"]).hostname == leader


def test_registry(cluster: Cluster, metrics: dict[str, dict[str, float]]) -> None:
    """The replicated registry is recovered everywhere and has a copy on every master"""
    wrong = [name for name, values in metrics.items() if values.get("registrar/log/recovered") != 1]
    assert not wrong, f"not recovered on {', '.join(wrong)}"
    sizes = {v["registrar/log/ensemble_size"] for v in metrics.values() if v["master/elected"] == 1}
    assert sizes == {len(cluster.with_role(ROLE))}
