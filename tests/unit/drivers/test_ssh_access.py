"""How nodes on existing hosts are reached, from a topology and an ssh_config."""

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from bootstrap.drivers import ssh_access
from bootstrap.drivers.ssh_access import Found
from bootstrap.drivers.ssh_operator_config import reader
from bootstrap.errors import UsageError
from bootstrap.model import Cluster, Node


def cluster(**settings):
    nodes = tuple(Node(name, IPv4Address(f"10.0.0.{n}"), ()) for n, name in enumerate(["admin-1", "agent-1"], 10))
    path = Path("/topologies/prod/cluster.yaml")
    return Cluster("prod", path, "ssh", settings, "prod.example", IPv4Network("10.0.0.0/24"), nodes, {}, {})


def machine(node="admin-1", look_up=ssh_access.nothing, **settings):
    return next(m for m in ssh_access.machines(cluster(**settings), look_up) if m.node == node)


def test_without_a_word_it_is_root_with_the_agent_or_the_usual_keys():
    found = machine()
    assert (found.user, found.port, found.key, found.agent) == ("root", 22, "", True)
    assert (found.sudo_password, found.through) == ("", None)


def test_settings_of_the_driver_and_of_a_node():
    settings = {
        "user": "ops",
        "port": 2222,
        "key": "keys/ops",
        "sudo_password": "ask",
        "hosts": {"agent-[1:1]": {"user": "deploy", "port": 22, "key": "/keys/deploy", "sudo_password": "~/sudo"}},
    }
    admin, agent = ssh_access.machines(cluster(**settings))
    assert (admin.user, admin.port, admin.key) == ("ops", 2222, "/topologies/prod/keys/ops")
    assert (admin.agent, admin.sudo_password) == (False, "ask")
    assert (agent.user, agent.port, agent.key) == ("deploy", 22, "/keys/deploy")
    assert agent.sudo_password == str(Path.home() / "sudo")


def test_root_needs_no_sudo():
    assert machine(sudo_password="ask").sudo_password == ""


def test_a_key_and_the_agent_if_it_is_asked_for():
    assert machine(key="/k", agent=True).agent


def test_jump_hosts_in_their_order_and_shared():
    hops = [{"address": "192.0.2.1", "user": "gate"}, {"address": "192.0.2.2", "port": 2200, "key": "/k2"}]
    admin, agent = ssh_access.machines(cluster(user="ops", key="/k", jump=hops))
    first, second = admin.way
    assert (first.node, first.address, first.user, first.key) == ("jump.192.0.2.1", "192.0.2.1", "gate", "/k")
    assert (second.address, second.user, second.port, second.key) == ("192.0.2.2", "ops", 2200, "/k2")
    assert second.through is first
    assert agent.through is admin.through


def test_a_node_may_need_no_jump_host():
    settings = {"jump": [{"address": "192.0.2.1"}], "hosts": {"admin-1": {"jump": []}}}
    assert machine(**settings).way == ()
    assert machine("agent-1", **settings).way


def test_what_an_ssh_config_says_is_between_the_nodes_own_and_the_drivers():
    def look_up(name):
        return Found(address="198.51.100.7", port=2201, user="conf", key="/conf") if name == "admin-1" else Found()

    found = machine(look_up=look_up, user="ops", port=22, hosts={"admin-1": {"user": "own"}})
    assert (found.address, found.port, found.user, found.key) == ("198.51.100.7", 2201, "own", "/conf")
    assert machine("agent-1", look_up, user="ops").user == "ops"


def test_given_host_keys_by_node_and_jump_host():
    settings = {
        "jump": [{"address": "192.0.2.1", "host_key": "SHA256:jump"}],
        "hosts": {"agent-1": {"host_key": ["SHA256:one", "ssh-rsa AAAA"]}, "admin-1": {}},
    }
    given = ssh_access.given_keys(cluster(**settings))
    assert given == {"jump.192.0.2.1": ("SHA256:jump",), "agent-1": ("SHA256:one", "ssh-rsa AAAA")}


CONFIG = """\
Include more
Host admin-1
    HostName 198.51.100.7
    Port 2201
    IdentityFile ~/keys/admin
    ProxyJump gate@bastion:2200,inner
Host commanded
    ProxyCommand nc %h %p
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "more").write_text("Match host agent-1\n    User included\n")
    file = tmp_path / "config"
    file.write_text(CONFIG.replace("Include more", f"Include {tmp_path}/more"))
    return file


def test_an_ssh_config_is_read_as_openssh_reads_it(config):
    look_up = reader(config, ["admin-1", "agent-1"])
    hops = ({"address": "bastion", "user": "gate", "port": 2200}, {"address": "inner"})
    assert look_up("admin-1") == Found("198.51.100.7", 2201, "", str(Path.home() / "keys/admin"), hops)
    assert look_up("agent-1") == Found(user="included")
    assert look_up("other") == Found()


def test_a_command_instead_of_a_jump_host_is_refused_by_name(config):
    with pytest.raises(UsageError, match="reaches commanded through a ProxyCommand") as caught:
        reader(config, ["commanded"])
    assert caught.value.next_step == "write ProxyJump instead"


def test_a_config_that_openssh_refuses(config):
    config.write_text("Host *\n    Prot 22\n")
    with pytest.raises(UsageError) as caught:
        reader(config, ["admin-1"])
    assert "bad configuration option: prot" in " ".join(caught.value.lines).lower()


def test_a_config_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="is not there"):
        reader(tmp_path / "absent", [])
