"""Cluster -> Plan: the graph of phases and everything that is derived."""

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml

from bootstrap import cli, config, paths, plan
from bootstrap.errors import ExitStatus
from bootstrap.model import Cluster, Node, Page, Port, Role

ROLES = {
    role.name: role
    for role in (
        Role("base", "", ("base",), ports=(Port("ssh", 22, "tcp"),)),
        Role("admin", "", ("server",), ports=(Port("artifacts", 8443, "tcp"),), secrets=("api",)),
        Role("mesos-master", "", ("mesos", "mesos-master"), ("zookeeper",), secrets=("zk", "op"), artifacts=("mesos",)),
        Role("zookeeper", "", ("java", "zookeeper"), ("admin",), ports=(Port("client", 2182, "tcp"),), secrets=("zk",)),
        Role("mesos-agent", "", ("mesos", "agent"), ("mesos-master",), beside=("docker",), artifacts=("mesos",)),
        Role("docker", "", ("docker",), ("admin",), artifacts=("image",)),
        Role("unused", "", ("unused",), ("admin",), secrets=("never",), artifacts=("never",)),
    )
}


def _node(name, last, roles, number=None, **more):
    return Node(name, IPv4Address(f"10.0.0.{last}"), tuple(roles), number, **more)


def _cluster(*nodes, **changes):
    cluster = Cluster(
        env="lab",
        path=Path("cluster.yaml"),
        driver="docker",
        driver_settings={},
        domain="lab.example",
        network=IPv4Network("10.0.0.0/24"),
        nodes=nodes or NODES,
        roles=ROLES,
        settings={"zookeeper": {"heap": "1g"}},
    )
    return replace(cluster, **changes)


# ids on purpose in another order than the nodes
NODES = (
    _node("admin-1", 10, ["admin"]),
    _node("control-1", 11, ["zookeeper", "mesos-master"], 3),
    _node("control-2", 12, ["mesos-master", "zookeeper"], 1),
    _node("control-3", 13, ["zookeeper", "mesos-master"], 2),
    _node("agent-1", 21, ["docker", "mesos-agent"], attributes={"rack": "r1"}, resources={"cpus": "2"}),
    _node("edge-1", 31, []),
)


@pytest.fixture
def made():
    return plan.make(_cluster())


def _phase(made, name):
    return next(phase for phase in made.phases if phase.name == name)


def test_phases_in_order(made):
    assert [(phase.name, phase.kind, phase.needs) for phase in made.phases] == [
        ("machines", "machines", ()),
        ("artifacts", "artifacts", ("machines",)),
        ("preflight", "preflight", ("artifacts",)),
        ("salt", "salt", ("preflight",)),
        ("base", "role", ("salt",)),
        ("admin", "role", ("base",)),
        ("zookeeper", "role", ("admin",)),
        ("mesos-master", "role", ("zookeeper",)),
        ("docker", "role", ("admin",)),
        ("mesos-agent", "role", ("mesos-master", "docker")),
        ("seal", "seal", ("mesos-agent",)),
        ("verify", "verify", ("seal",)),
    ]


def test_every_phase_comes_after_what_it_needs(made):
    seen = set()
    for phase in made.phases:
        assert set(phase.needs) <= seen
        seen.add(phase.name)


def test_nodes_and_components_of_phases(made):
    everyone = ("admin-1", "control-1", "control-2", "control-3", "agent-1", "edge-1")
    for name in ("machines", "preflight", "salt", "base", "seal", "verify"):
        assert _phase(made, name).nodes == everyone
    assert _phase(made, "artifacts").nodes == ("admin-1",)
    assert _phase(made, "zookeeper").nodes == ("control-1", "control-2", "control-3")
    assert _phase(made, "zookeeper").components == ("java", "zookeeper")
    assert _phase(made, "zookeeper").role == "zookeeper"
    assert _phase(made, "salt").role is None


def test_needs_that_no_node_has_are_left_out():
    made = plan.make(_cluster(_node("admin-1", 10, ["admin"]), _node("agent-1", 21, ["docker"])))
    assert [phase.name for phase in made.phases][4:] == ["base", "admin", "docker", "seal", "verify"]
    assert _phase(made, "seal").needs == ("docker",)
    assert made.pillar["zookeeper"] == {"ensemble": [], "connect": ""}
    assert made.pillar["mesos"]["quorum"] == 0


def test_proofs_wait_for_every_branch():
    nodes = (_node("admin-1", 10, ["admin"]), _node("x-1", 11, ["docker"]), _node("x-2", 12, ["zookeeper"], 1))
    made = plan.make(_cluster(*nodes))
    assert _phase(made, "seal").needs == ("zookeeper", "docker")
    assert _phase(made, "verify").needs == ("seal",)


@pytest.mark.parametrize(("masters", "quorum"), [(1, 1), (3, 2), (5, 3)])
def test_quorum(masters, quorum):
    nodes = [_node("admin-1", 10, ["admin"])]
    nodes += [_node(f"m-{i}", 10 + i, ["zookeeper", "mesos-master"], i) for i in range(1, masters + 1)]
    made = plan.make(_cluster(*nodes))
    assert made.pillar["mesos"]["quorum"] == quorum
    assert len(made.pillar["mesos"]["masters"]) == masters


def test_pillar_of_the_cluster(made):
    assert made.pillar == {
        "env": "lab",
        "domain": "lab.example",
        "network": "10.0.0.0/24",
        "production": False,
        "lab": True,
        "hosts": [
            {"name": "admin-1", "address": "10.0.0.10"},
            {"name": "control-1", "address": "10.0.0.11"},
            {"name": "control-2", "address": "10.0.0.12"},
            {"name": "control-3", "address": "10.0.0.13"},
            {"name": "agent-1", "address": "10.0.0.21"},
            {"name": "edge-1", "address": "10.0.0.31"},
        ],
        "zookeeper": {
            "ensemble": [
                {"id": 1, "name": "control-2", "address": "10.0.0.12"},
                {"id": 2, "name": "control-3", "address": "10.0.0.13"},
                {"id": 3, "name": "control-1", "address": "10.0.0.11"},
            ],
            "connect": "10.0.0.12:2182,10.0.0.13:2182,10.0.0.11:2182",
        },
        "mesos": {
            "cluster": "lab",
            "zk_path": "/mesos",
            "quorum": 2,
            "masters": [
                {"name": "control-1", "address": "10.0.0.11"},
                {"name": "control-2", "address": "10.0.0.12"},
                {"name": "control-3", "address": "10.0.0.13"},
            ],
        },
        "marathon": {"zk_path": "/marathon", "port": 0, "endpoints": []},
        "ingress": {"zk_path": "/marathon-haproxy/state", "ports": {"http": 0, "https": 0, "api": 0}},
        "elasticsearch": {"members": {}, "port": 0, "transport_port": 0, "artifact": ""},
        "logs": {
            "units": [f"{name}.service" for name in ("log-canary", "salt-api", "salt-master", "salt-minion")],
            "aggregators": [],
            "aggregators_ca": "/etc/utopia/ca.crt",
            "aggregator_port": 0,
        },
        "artifacts": {"url": "https://10.0.0.10:8443", "files": {}},
        "settings": {"zookeeper": {"heap": "1g"}},
    }


def test_pillar_of_a_node(made):
    assert made.node_pillar["control-2"] == {
        "node": {
            "name": "control-2",
            "address": "10.0.0.12",
            "roles": ["mesos-master", "zookeeper"],
            "zookeeper_id": 1,
            "attributes": {},
            "resources": {},
        },
        # in the order of the phases, however the roles were written
        "components": ["base", "java", "zookeeper", "mesos", "mesos-master"],
    }
    agent = made.node_pillar["agent-1"]
    assert agent["components"] == ["base", "docker", "mesos", "agent"]
    assert (agent["node"]["attributes"], agent["node"]["resources"]) == ({"rack": "r1"}, {"cpus": "2"})
    assert made.node_pillar["edge-1"]["components"] == ["base"]


def test_a_node_gets_the_secrets_of_its_roles_and_no_other(made):
    assert made.secrets == {
        "admin-1": ("api",),
        "control-1": ("zk", "op"),
        "control-2": ("zk", "op"),
        "control-3": ("zk", "op"),
        "agent-1": (),
        "edge-1": (),
    }


def test_artifacts_of_the_roles_in_use_each_once(made):
    assert made.artifacts == ("mesos", "image")


@pytest.mark.parametrize(("driver", "lab"), [("docker", True), ("ssh", False)])
def test_lab_follows_from_the_driver(driver, lab):
    assert plan.make(_cluster(driver=driver)).pillar["lab"] is lab


def test_same_cluster_same_plan_and_all_of_it_is_json():
    first, second = plan.make(_cluster()), plan.make(_cluster())
    assert first == second
    assert json.loads(json.dumps(first.as_json())) == first.as_json()


def test_the_pillar_does_not_share_the_settings_with_the_cluster():
    cluster = _cluster()
    plan.make(cluster).pillar["settings"]["zookeeper"]["heap"] = "9g"
    assert cluster.settings["zookeeper"]["heap"] == "1g"


def test_pages_name_the_file_of_a_password_never_the_password():
    page = Page("state", 5050, path="/state", user="operator", secret="mesos-operator")
    assert page.url("10.0.0.1") == "http://10.0.0.1:5050/state"
    assert page.login(Path("/s")) == "operator, password in /s/mesos-operator"
    assert Page("x", 1).login(Path("/s")) == "none"


def test_the_command_writes_and_connects_nowhere(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("UTOPIA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("socket.socket", None)
    assert cli.main(["plan", "--env", "prod"]) == ExitStatus.OK
    out = capsys.readouterr().out
    assert "agent-01, agent-02 ... agent-24 (24)" in out
    assert "10.20.0.11:2181,10.20.0.12:2181,10.20.0.13:2181" in out
    assert "2 of 3 masters" in out
    assert "nothing was touched" in out
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_very_object(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    assert cli.main(["plan", "--env", "local", "--json"]) == ExitStatus.OK
    assert json.loads(capsys.readouterr().out) == plan.make(config.load("local")).as_json()


def test_roles_of_every_node_are_roles_like_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    document = yaml.safe_load((paths.PILLAR / "env/small/cluster.yaml").read_text()) | {
        "everywhere": ["docker", "monitoring", "logs"]
    }
    (tmp_path / "small").mkdir()
    (tmp_path / "small/cluster.yaml").write_text(yaml.safe_dump(document))
    made = plan.make(config.load(str(tmp_path / "small")))
    names = tuple(node.name for node in made.cluster.nodes)
    assert next(phase.nodes for phase in made.phases if phase.name == "docker") == names
    assert all("docker" in made.node_pillar[name]["components"] for name in names)
    assert made.node_pillar["agent-1"]["node"]["roles"].count("docker") == 1


def test_in_a_closed_network_the_admin_node_comes_first():
    """It serves everybody's packages, its own server's among them."""
    cluster = _cluster(settings={"base": {"apt_from_admin": True}})
    phases = {phase.name: phase for phase in plan.make(cluster).phases}
    assert list(phases).index("admin") < list(phases).index("base")
    assert (phases["admin"].needs, phases["admin"].components) == (("salt",), ("base", "server"))
    assert phases["base"].needs == ("admin",)
    assert "base" in phases["zookeeper"].needs
    seen = set()
    for phase in phases.values():
        assert set(phase.needs) <= seen
        seen.add(phase.name)
