"""The Docker driver's decisions and arguments, without an engine."""

import io
import tarfile
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from bootstrap import config, drivers, known_hosts, paths
from bootstrap.drivers import docker, docker_network
from bootstrap.drivers.docker_machine import Action, Existing, create_arguments, decide, fingerprint
from bootstrap.drivers.docker_network import Network
from bootstrap.errors import MachinesError
from bootstrap.model import Cluster, Machine, Node

AGENT = Node("agent-1", IPv4Address("172.30.9.21"), ("docker", "mesos-agent"))
CONTROL = Node("control-1", IPv4Address("172.30.9.11"), ("zookeeper",))
CLUSTER = Cluster(
    env="test",
    path=Path("pillar/env/test/cluster.yaml"),
    driver="docker",
    driver_settings={},
    domain="test.utopia",
    network=IPv4Network("172.30.9.0/24"),
    nodes=(CONTROL, AGENT),
    roles={},
    settings={},
)
RUNNING = Existing("utopia-test-agent-1", "test", "agent-1", "running", True, "image:1", "args")

GOLDEN_V1 = """\
--name=utopia-test-agent-1
--hostname=agent-1
--label=utopia.env=test
--label=utopia.node=agent-1
--network=utopia-test
--ip=172.30.9.21
--restart=no
--tmpfs=/run
--tmpfs=/run/lock
--tmpfs=/tmp:exec
--stop-signal=SIGRTMIN+3
--cap-add=SYS_ADMIN
--cap-add=NET_ADMIN
--cap-add=SYS_PTRACE
--cap-add=DAC_READ_SEARCH
--cap-add=SYSLOG
--cap-add=IPC_LOCK
--cap-add=LINUX_IMMUTABLE
--cap-add=SYS_NICE
--cap-add=SYS_TIME
--cap-add=MKNOD
--cap-add=NET_RAW
--security-opt=seccomp=unconfined
--security-opt=apparmor=unconfined
--security-opt=systempaths=unconfined
--cgroupns=host
--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw
--volume=/var/lib/docker
"""


def test_arguments_on_cgroup_v1():
    *arguments, label = create_arguments(CLUSTER, AGENT, cgroup_v2=False)
    assert arguments == GOLDEN_V1.splitlines()
    assert label == f"--label=utopia.arguments={fingerprint(arguments)}"


def test_arguments_on_cgroup_v2_leave_the_cgroup_tree_to_the_engine():
    arguments = create_arguments(CLUSTER, AGENT, cgroup_v2=True)
    assert "--privileged" in arguments
    assert "--cgroupns=private" in arguments
    assert not [word for word in arguments if "/sys/fs/cgroup" in word or word.startswith("--cap-add")]


def test_only_engines_get_a_volume_for_one():
    assert "--volume=/var/lib/docker" not in create_arguments(CLUSTER, CONTROL, cgroup_v2=False)


def test_settings_of_the_driver():
    settings = {"memory": "1g", "cpus": 1.5, "publish": {"agent-1": ["127.0.0.1:8080:80"]}, "base": "debian:12"}
    cluster = replace(CLUSTER, driver_settings=settings)
    arguments = create_arguments(cluster, AGENT, cgroup_v2=False)
    assert {"--memory=1g", "--cpus=1.5", "--publish=127.0.0.1:8080:80"} <= set(arguments)
    assert not [word for word in create_arguments(cluster, CONTROL, cgroup_v2=False) if word.startswith("--publish")]
    assert arguments[-1] != create_arguments(CLUSTER, AGENT, cgroup_v2=False)[-1]


@pytest.mark.parametrize(
    ("existing", "action"),
    [
        (None, Action.MAKE),
        (RUNNING, Action.KEEP),
        (replace(RUNNING, image="image:0"), Action.KEEP),  # converging brings an older image up to date
        (replace(RUNNING, arguments="other"), Action.REFUSE),
        (replace(RUNNING, env="other"), Action.REFUSE),
        (replace(RUNNING, env=""), Action.REFUSE),
        (replace(RUNNING, state="exited"), Action.START),
        (replace(RUNNING, state="exited", arguments="other"), Action.REFUSE),
        (replace(RUNNING, state="paused"), Action.START),
        (replace(RUNNING, state="dead"), Action.REMAKE),
        (replace(RUNNING, state="removing"), Action.REMAKE),
        (replace(RUNNING, state="created", booted=False), Action.BOOT),
        (replace(RUNNING, state="created", booted=False, image="image:0"), Action.REMAKE),
        (replace(RUNNING, state="created", booted=False, arguments="other"), Action.REMAKE),
    ],
)
def test_what_is_done_about_a_container_that_exists(existing, action):
    assert decide(existing, "test", "args", "image:1") is action


def test_facts_of_a_container():
    facts = {
        "Name": "/utopia-test-agent-1",
        "State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"},
        "Config": {"Image": "image:1", "Labels": {"utopia.env": "test", "utopia.node": "agent-1"}},
    }
    assert Existing.of(facts) == replace(RUNNING, state="created", booted=False, arguments="")
    address = {"IPAddress": "172.30.9.21", "IPPrefixLen": 24}
    running = {**facts, "NetworkSettings": {"Networks": {"utopia-test": address, "bridge": {}}}}
    assert Existing.of(running).network == IPv4Network("172.30.9.0/24")
    facts["Config"]["Labels"] = None  # a container of somebody else, under our name
    assert Existing.of(facts).env == ""


@pytest.mark.parametrize(
    ("authorized", "other"),
    [
        ("", False),
        ("ssh-ed25519 AAAAours utopia-test\n", False),
        ("ssh-ed25519 AAAAperson me@home\n", False),
        ("ssh-ed25519 AAAAlost utopia-test\n", True),
        (".ssh/authorized_keys\0\0\0ssh-ed25519 AAAAlost utopia-test\n\0\0", True),
        ("authorized_keys\0\0\0ustar\0ssh-ed25519 AAAAours utopia-test\n\0\0", False),
        ("ssh-ed25519 AAAAlost utopia-test\nssh-ed25519 AAAAours utopia-test\n", False),
        ("ssh-ed25519 AAAAlost utopia-test2\n", False),
    ],
)
def test_machines_of_another_state_folder(authorized, other):
    assert docker.is_of_other_state(authorized, "ssh-ed25519 AAAAours utopia-test", "test") is other


def test_a_refused_machine_says_what_to_do():
    error = docker.refusal(CLUSTER, AGENT, replace(RUNNING, arguments="other"))
    assert "bootstrap destroy --env pillar/env/test/cluster.yaml --node agent-1" in error.next_step
    assert "not ours" in docker.refusal(CLUSTER, AGENT, replace(RUNNING, env="")).what


def test_an_environment_of_the_checkout_goes_by_its_name():
    assert drivers.env_option(replace(CLUSTER, path=paths.PILLAR / "env/test/cluster.yaml")) == "test"


OWN = Network("utopia-test", "test", (IPv4Network("172.30.9.0/24"),))
BRIDGE = Network("bridge", "", (IPv4Network("172.17.0.0/16"),))


def test_network_is_made_once():
    assert docker_network.needs_making(CLUSTER, [BRIDGE])
    assert not docker_network.needs_making(CLUSTER, [BRIDGE, OWN])


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (replace(OWN, subnets=(IPv4Network("172.30.8.0/24"),)), "172.30.8.0/24"),
        (replace(OWN, env=""), "not ours"),
        (replace(OWN, name="utopia-other", env="other"), "taken by the Docker network utopia-other"),
        (replace(OWN, name="somebody", subnets=(IPv4Network("172.30.0.0/16"),)), "172.30.0.0/16"),
    ],
)
def test_network_in_the_way(network, said):
    with pytest.raises(MachinesError, match=said):
        docker_network.needs_making(CLUSTER, [BRIDGE, network])


def test_facts_of_a_network_without_addresses():
    facts = {"Name": "host", "Labels": None, "IPAM": {"Config": None}}
    assert Network.of(facts) == Network("host", "", ())
    facts["IPAM"]["Config"] = [{"Subnet": "fd00::/64"}, {"Subnet": "172.17.0.0/16"}]
    assert Network.of(facts).subnets == BRIDGE.subnets


def test_gateway_is_an_address_no_node_has():
    taken = [IPv4Address("172.30.9.1"), IPv4Address("172.30.9.3")]
    assert docker_network.gateway_for(CLUSTER.network, taken) == IPv4Address("172.30.9.2")


def test_key_archive_is_readable_by_root_alone():
    with tarfile.open(fileobj=io.BytesIO(docker._key_archive("ssh-ed25519 AAAA test"))) as archive:
        members = {member.name: (member.mode, member.uid) for member in archive}
        content = archive.extractfile(".ssh/authorized_keys").read()
    assert members == {".ssh": (0o700, 0), ".ssh/authorized_keys": (0o600, 0)}
    assert content == b"ssh-ed25519 AAAA test\n"


def test_every_machine_is_tried_and_all_failures_are_reported():
    tried = []

    def work(number):
        tried.append(number)
        if number % 2:
            raise MachinesError("no", where=f"node-{number}", lines=["why"])
        return number

    with pytest.raises(MachinesError) as failure:
        docker.for_each([1, 2, 3, 4], work)
    assert sorted(tried) == [1, 2, 3, 4]
    assert failure.value.what == "2 machines failed"
    assert failure.value.where == "node-1, node-3"
    assert "node-3: why" in failure.value.lines
    with pytest.raises(MachinesError, match=r"^no$"):
        docker.for_each([1, 2], work)
    assert docker.for_each([2, 4], work) == (2, 4)


def test_machines_that_are_all_well_have_the_keys_that_were_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They say which machine it is: with no keys preflight would take it for another one, and ask it all again."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    cluster = config.load("small")
    made = [Machine(n.name, str(n.address), 22, "root", (f"ssh-ed25519 {n.name}",)) for n in cluster.nodes]
    known_hosts.record(cluster.env, made)
    driver = docker.DockerDriver(cluster)
    monkeypatch.setattr(driver, "_all_well", lambda: True)
    created = driver.create(lambda *_: None)
    assert created.machines == tuple(made)
    assert not any(created.changes.values())
