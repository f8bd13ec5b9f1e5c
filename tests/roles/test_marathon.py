"""Role marathon, whichever provider fills it: each instance, and that they act as one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from node_facts import SECONDS, Facts, closed, not_running, not_somebodys

from bootstrap.health import marathon, mesos
from bootstrap.health.marathon import Instance
from bootstrap.health.net import Login, get
from bootstrap.model import Cluster, Node
from bootstrap.plan import Plan
from bootstrap.secrets import Secrets

ROLE = "marathon"


@pytest.fixture(scope="module")
def port(cluster: Cluster) -> int:
    return next(port.number for port in cluster.roles[ROLE].ports if port.name == "http")


@pytest.fixture(scope="module")
def units(cluster: Cluster) -> list[str]:
    """The services of the provider that was chosen."""
    return list(cluster.roles[ROLE].restart)


@pytest.fixture(scope="module")
def login(secrets: Secrets) -> Login:
    return Login("operator", secrets.value(marathon.SECRET))


@pytest.fixture(scope="module")
def instances(cluster: Cluster, port: int, login: Login) -> dict[str, Instance]:
    """What every instance says of itself."""
    return {
        node.name: marathon.ask(str(node.address), port, login, seconds=SECONDS) for node in cluster.with_role(ROLE)
    }


def test_unit(facts: Facts, units: list[str]) -> None:
    """Its service runs, now and after a boot"""
    wrong = not_running(facts, units)
    assert not wrong, "; ".join(wrong)


def test_user(facts: Facts, units: list[str]) -> None:
    """Its service has a user of its own, which is not root"""
    wrong = not_somebodys(facts, units)
    assert not wrong, "; ".join(wrong)


def test_ports(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Listens on the role's ports"""
    wrong = closed(facts, str(node.address), cluster.roles[ROLE].ports)
    assert not wrong, "; ".join(wrong)


def test_authentication(node: Node, port: int) -> None:
    """Nobody without the right password sees or changes an application"""
    address = str(node.address)
    open_to_all = [
        path
        for path in ("/v2/apps", "/v2/info", "/v2/leader", "/v2/tasks", "/v2/deployments", "/v2/queue", "/v2/groups")
        for login in (None, Login("operator", "wrong"))
        if get(address, port, path, login=login, seconds=SECONDS).status != 401
    ]
    assert not open_to_all, f"answered without a login: {', '.join(sorted(set(open_to_all)))}"
    assert get(address, port, "/ping", seconds=SECONDS).status == 200


def test_answers(node: Node, port: int, login: Login) -> None:
    """Answers for applications, whether it leads or stands by"""
    answer = get(str(node.address), port, "/v2/apps", login=login, seconds=SECONDS)
    assert answer.status == 200, f"answers {answer.status}"
    assert isinstance(answer.json()["apps"], list)


def test_one_leader(cluster: Cluster, port: int, instances: dict[str, Instance]) -> None:
    """All instances name the same leader, which is one of them"""
    silent = {name: instance.why for name, instance in instances.items() if instance.why}
    assert not silent, f"no answer: {silent}"
    leaders = {instance.leader for instance in instances.values()}
    assert len(leaders) == 1, f"leaders: {', '.join(sorted(leaders)) or 'none'}"
    assert leaders <= {f"{node.address}:{port}" for node in cluster.with_role(ROLE)}


def test_registered(cluster: Cluster, operator: Login, instances: dict[str, Instance]) -> None:
    """The leading master has its framework, connected, and under the id that every instance gives"""
    ids = {instance.framework for instance in instances.values()}
    assert len(ids) == 1, f"framework ids: {ids}"
    found = {entry["id"]: entry for entry in _frameworks(cluster, operator)}
    entry = found.get(next(iter(ids)))
    assert entry, f"Mesos does not know {ids}"
    assert entry["connected"], "Mesos has lost its connection"
    assert entry["active"], "Mesos has deactivated it"
    assert entry["principal"] == "marathon"


def test_configuration_in_force(node: Node, port: int, login: Login, made: Plan, secrets: Secrets) -> None:
    """Keeps its state where the plan says, and its tasks when it is away"""
    info = get(str(node.address), port, "/v2/info", login=login, seconds=SECONDS).json()
    own = info["marathon_config"]
    assert own["failover_timeout"] >= 24 * 3600, f"after {own['failover_timeout']} s without it all tasks are ended"
    assert own["checkpoint"], "tasks end with their agent"
    zk = urlsplit(info["zookeeper_config"]["zk"])
    assert zk.path == made.pillar["marathon"]["zk_path"]
    hidden = secrets.value("zookeeper-marathon") not in json.dumps(info)
    assert hidden, "shows its password for ZooKeeper"
    assert sorted(zk.netloc.rpartition("@")[2].split(",")) == sorted(made.pillar["zookeeper"]["connect"].split(","))


def test_state_is_its_own(made: Plan) -> None:
    """Nobody without the password changes its state in ZooKeeper, or reads what is below"""
    path = made.pillar["marathon"]["zk_path"]
    client = KazooClient(hosts=made.pillar["zookeeper"]["connect"], timeout=SECONDS)
    try:
        client.start(timeout=SECONDS)
        with pytest.raises(NoAuthError):
            client.create(f"{path}/intruder", b"", ephemeral=True)
        readable = [child for child in client.get_children(path) if not _closed(client, f"{path}/{child}")]
        # Who leads may be known to all: Mesos' own tree shows it too.
        assert not [child for child in readable if "leader" not in child], f"readable by all: {readable}"
    finally:
        client.stop()
        client.close()


def _closed(client: KazooClient, path: str) -> bool:
    try:
        client.get(path)
    except NoAuthError:
        return True
    return False


def _frameworks(cluster: Cluster, operator: Login) -> list[dict[str, Any]]:
    port = next(port.number for port in cluster.roles[mesos.MASTER].ports if port.name == "http")
    found: list[dict[str, Any]] = []
    for node in cluster.with_role(mesos.MASTER):
        answer = get(str(node.address), port, "/master/frameworks", login=operator, seconds=SECONDS)
        found += answer.json()["frameworks"] if answer.status == 200 else []
    return found
