"""Role zookeeper: the ensemble, each member and all of them together."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import make_digest_acl
from node_facts import SECONDS, Facts, closed, missing, not_running

from bootstrap.health import zookeeper
from bootstrap.health.net import ask
from bootstrap.model import Cluster, Node, Port
from bootstrap.plan import Plan
from bootstrap.secrets import Secrets

ROLE = "zookeeper"
USER = "mesos"  # whose password is the secret zookeeper-mesos


@pytest.fixture(scope="module")
def ports(cluster: Cluster) -> dict[str, Port]:
    return {port.name: port for port in cluster.roles[ROLE].ports}


@pytest.fixture(scope="module")
def monitors(cluster: Cluster, ports: dict[str, Port]) -> dict[str, dict[str, str]]:
    """What each member of the ensemble says of itself."""
    client = ports["client"].number
    return {
        node.name: zookeeper.monitor(str(node.address), client, seconds=SECONDS) for node in cluster.with_role(ROLE)
    }


def test_unit(facts: Facts) -> None:
    """The server runs, now and after a boot"""
    wrong = not_running(facts, [ROLE])
    assert not wrong, "; ".join(wrong)


def test_user(facts: Facts) -> None:
    """One server process, and it is not root's"""
    assert facts.processes(r"QuorumPeerMain") == ["zookeeper"]


def test_packages(facts: Facts, component_settings: Callable[[str], dict[str, Any]]) -> None:
    """Java and ZooKeeper are installed"""
    wrong = missing(facts, [component_settings("java")["package"], *component_settings("zookeeper")["packages"]])
    assert not wrong, "; ".join(wrong)


def test_version(facts: Facts, node: Node, monitors: dict[str, dict[str, str]]) -> None:
    """The running server is of the installed version"""
    installed = facts.packages["libzookeeper-java"].partition("-")[0]
    running = monitors[node.name]["zk_version"].partition("-")[0]
    assert running == installed


def test_ports(facts: Facts, node: Node, ports: dict[str, Port], monitors: dict[str, dict[str, str]]) -> None:
    """Listens for clients, and for the ensemble as its part in it asks"""
    mode = monitors[node.name]["zk_server_state"]
    wanted = [ports["client"]]
    wanted += [ports["election"]] if mode in ("leader", "follower") else []
    wanted += [ports["peer"]] if mode == "leader" else []  # followers connect to the leader's
    wrong = closed(facts, str(node.address), wanted)
    assert not wrong, "; ".join(wrong)


def test_configuration_in_force(
    node: Node, made: Plan, ports: dict[str, Port], component_settings: Callable[[str], dict[str, Any]]
) -> None:
    """The server runs with our settings and knows the ensemble"""
    settings = component_settings("zookeeper")
    lines = ask(str(node.address), ports["client"].number, b"conf", seconds=SECONDS).splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    wanted = {key: str(value) for key, value in settings["config"].items() if key in found}
    members = made.pillar["zookeeper"]["ensemble"]
    if len(members) > 1:  # a server alone calls itself 0, whatever its myid says
        wanted |= {"serverId": str(node.zookeeper_id)}
        wanted |= {"initLimit": str(settings["config"]["initLimit"]), "syncLimit": str(settings["config"]["syncLimit"])}
        wanted |= {
            f"server.{m['id']}": f"{m['address']}:{ports['peer'].number}:{ports['election'].number}:participant"
            for m in members
        }
        assert len([key for key in found if key.startswith("server.")]) == len(members)
    wrong = [f"{key} is {found.get(key)}, must be {value}" for key, value in wanted.items() if found.get(key) != value]
    assert not wrong, "; ".join(wrong)
    assert {"tickTime", "maxClientCnxns", "dataDir", "dataLogDir"} <= set(found)
    wrong = [
        f"{key} is {found[key]}"
        for key, path in (("dataDir", "data_dir"), ("dataLogDir", "log_dir"))
        if not found[key].startswith(settings[path])
    ]
    assert not wrong, "; ".join(wrong)


def test_words(node: Node, ports: dict[str, Port], component_settings: Callable[[str], dict[str, Any]]) -> None:
    """Answers the words that are asked for health, and no others"""
    allowed = component_settings("zookeeper")["config"]["4lw.commands.whitelist"].split(",")
    refused = {
        word: "not in the whitelist" in ask(str(node.address), ports["client"].number, word.encode(), seconds=SECONDS)
        for word in (*allowed, "envi", "dump", "wchp")
    }
    wrong = [word for word, no in refused.items() if no == (word in allowed)]
    assert not wrong, f"answered or refused by mistake: {', '.join(wrong)}"


def test_ensemble(cluster: Cluster, monitors: dict[str, dict[str, str]]) -> None:
    """One leads, all others follow in step"""
    members = len(cluster.with_role(ROLE))
    modes = {name: values["zk_server_state"] for name, values in monitors.items()}
    if members == 1:
        assert list(modes.values()) == ["standalone"]
        return
    leaders = [name for name, mode in modes.items() if mode == "leader"]
    assert len(leaders) == 1, f"leaders: {', '.join(leaders) or 'none'}"
    assert all(mode == "follower" for name, mode in modes.items() if name not in leaders), f"modes: {modes}"
    assert int(float(monitors[leaders[0]]["zk_synced_followers"])) == members - 1


def test_written_here_read_there(cluster: Cluster, ports: dict[str, Port], secrets: Secrets) -> None:
    """What is written on one member is read on every other with the password, and by nobody without"""
    port = ports["client"].number
    writer, *others = [f"{node.address}:{port}" for node in cluster.with_role(ROLE)]
    login = [("digest", f"{USER}:{secrets.value('zookeeper-mesos')}")]
    path, text = f"/utopia-verify-{uuid.uuid4()}", b"written by a check"
    own = make_digest_acl(USER, secrets.value("zookeeper-mesos"), all=True)
    with session(writer, login) as client:
        client.create(path, text, acl=[own], ephemeral=True)  # goes with the session, whatever happens
        for member in others or [writer]:
            with session(member, login) as reader:
                reader.sync(path)
                found = reader.get(path)[0]
                assert found == text, f"{member} has another text"
            with session(member, []) as stranger:
                stranger.sync(path)
                with pytest.raises(NoAuthError):
                    stranger.get(path)


def test_repair_login(cluster: Cluster, ports: dict[str, Port], secrets: Secrets) -> None:
    """The repair login may do what no access list allows"""
    node = cluster.with_role(ROLE)[0]
    where = f"{node.address}:{ports['client'].number}"
    path = f"/utopia-verify-{uuid.uuid4()}"
    with session(where, [("digest", "somebody:else")]) as owner:
        owner.create(path, b"", acl=[make_digest_acl("somebody", "else", all=True)], ephemeral=True)
        with session(where, [("digest", f"super:{secrets.value('zookeeper-super')}")]) as repair:
            repair.delete(path)


@contextmanager
def session(where: str, login: list[tuple[str, str]]) -> Iterator[KazooClient]:
    """A session with one member; its repr in a failed assertion shows no password."""
    client = KazooClient(hosts=where, timeout=SECONDS, auth_data=login)
    try:
        client.start(timeout=SECONDS)
        yield client
    finally:
        client.stop()
        client.close()
