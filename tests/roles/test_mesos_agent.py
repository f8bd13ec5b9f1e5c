"""Role mesos-agent: registered with what it has, and able to run tasks of both kinds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from mesos_smoke import Smoke
from node_facts import SECONDS, Facts, closed, not_running

from bootstrap.catalogue import Entry
from bootstrap.health import mesos
from bootstrap.health.net import Login, get
from bootstrap.model import Cluster, Node

ROLE = "mesos-agent"


@pytest.fixture(scope="module")
def port(cluster: Cluster) -> int:
    return next(port.number for port in cluster.roles[ROLE].ports if port.name == "http")


@pytest.fixture(scope="module")
def master_port(cluster: Cluster) -> int:
    return next(port.number for port in cluster.roles["mesos-master"].ports if port.name == "http")


@pytest.fixture(scope="module")
def registered(cluster: Cluster, master_port: int, operator: Login) -> dict[str, dict[str, Any]]:
    """What the leading master says of each active agent, by address: one question for all of them."""
    masters = [str(node.address) for node in cluster.with_role("mesos-master")]
    said = [mesos.ask_master(address, master_port, operator, seconds=SECONDS) for address in masters]
    leaders = [master for master in said if master.agents is not None]
    assert len(leaders) == 1, "no leading master could be asked"
    agents = (leaders[0].agents or {})["slaves"]
    return {agent["pid"].rpartition("@")[2].rpartition(":")[0]: agent for agent in agents if agent["active"]}


def test_unit(facts: Facts) -> None:
    """The agent runs, now and after a boot"""
    wrong = not_running(facts, [ROLE])
    assert not wrong, "; ".join(wrong)


def test_ports(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Listens on the role's ports"""
    wrong = closed(facts, str(node.address), cluster.roles[ROLE].ports)
    assert not wrong, "; ".join(wrong)


def test_version(facts: Facts, node: Node, port: int, artifacts: dict[str, Entry]) -> None:
    """Installed and running are of the artifact's version"""
    version = artifacts["mesos"].version
    assert facts.packages["utopia-mesos"].partition("-")[0] == version
    assert get(str(node.address), port, "/version").json()["version"] == version


def test_configuration_in_force(
    node: Node, port: int, operator: Login, component_settings: Callable[[str], dict[str, Any]]
) -> None:
    """The agent runs with our flags, in its own machine's part of the cgroup tree"""
    found = mesos.read(str(node.address), port, "/flags", operator, seconds=SECONDS)["flags"]
    wrong = mesos.differences(component_settings(ROLE)["flags"], found)
    assert not wrong, "; ".join(wrong)
    assert found["cgroups_root"].endswith("mesos")


def test_authentication(node: Node, port: int) -> None:
    """Nobody without the right password sees the state or becomes an executor"""
    address = str(node.address)
    open_to_all = [
        path
        for path in ("/state", "/metrics/snapshot", "/flags", "/containers", "/api/v1")
        for login in (None, Login("operator", "wrong"))
        if get(address, port, path, login=login).status != 401
    ]
    assert not open_to_all, f"answered without a login: {', '.join(open_to_all)}"
    assert get(address, port, "/health").status == 200


def test_registered(node: Node, registered: dict[str, dict[str, Any]]) -> None:
    """The leader knows it, with the attributes and resources of the topology"""
    agent = registered.get(str(node.address))
    assert agent, "the leading master has no active agent at this address"
    wrong = [
        f"attribute {name} is {agent['attributes'].get(name)}, must be {value}"
        for name, value in node.attributes.items()
        if str(agent["attributes"].get(name)) != value
    ]
    for name, value in node.resources.items():
        found = agent["resources"].get(name)
        same = float(found or 0) == float(value) if re.fullmatch(r"[0-9.]+", value) else found == value
        wrong += [] if same else [f"resource {name} is {found}, must be {value}"]
    assert not wrong, "; ".join(wrong)
    assert {"cpus", "mem", "disk", "ports"} <= set(agent["resources"])


def test_no_strangers(cluster: Cluster, registered: dict[str, dict[str, Any]]) -> None:
    """No agent is registered that is in no file"""
    strange = registered.keys() - {str(node.address) for node in cluster.with_role(ROLE)}
    assert not strange, f"registered from {', '.join(sorted(strange))}"


def test_command_task(node: Node, smoke: Smoke) -> None:
    """A command launched on it through Mesos runs there and ends well"""
    assert not smoke.ends[node.name, "command"], smoke.ends[node.name, "command"]


def test_docker_task(node: Node, smoke: Smoke) -> None:
    """A Docker container launched on it through Mesos writes into its sandbox and ends well"""
    assert not smoke.ends[node.name, "docker"], smoke.ends[node.name, "docker"]


def test_nothing_is_left(cluster: Cluster, master_port: int, operator: Login, smoke: Smoke) -> None:
    """Nothing of the launched tasks is left running"""
    for node in cluster.with_role("mesos-master"):
        answer = get(str(node.address), master_port, "/frameworks", login=operator, seconds=SECONDS)
        if answer.status == 200:  # the others send us to the leader; their metrics tell too, but twice a second only
            found = answer.json()["frameworks"]
            left = {task["id"] for framework in found for task in framework["tasks"]} & smoke.tasks
            assert not left, f"still there: {', '.join(sorted(left))}"
            return
    pytest.fail("no leading master could be asked")
