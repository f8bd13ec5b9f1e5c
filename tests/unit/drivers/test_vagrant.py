"""What Vagrant is told, what is done about its machines, and how its failures are told; with a program in its place."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from bootstrap import drivers, engine, paths
from bootstrap.drivers import vagrant, vagrant_cli, vagrant_inputs
from bootstrap.errors import EngineError, MachinesError, UsageError
from bootstrap.model import Cluster, Node

CLUSTER = Cluster(
    env="test",
    path=Path("pillar/env/test/cluster.yaml"),
    driver="vagrant",
    driver_settings={"provider": "docker"},
    domain="test.utopia",
    network=IPv4Network("192.168.56.0/24"),
    nodes=(
        Node("admin-1", IPv4Address("192.168.56.10"), ("admin",)),
        Node("agent-1", IPv4Address("192.168.56.21"), ("docker", "mesos-agent")),
    ),
    roles={},
    settings={},
)
VIRTUAL = replace(CLUSTER, driver_settings={"provider": "libvirt", "memory": 1024})
PROGRAM = """#!/bin/sh
echo "$@" >>"$0.calls"
case $1 in
up) test ! -e "$0.broken" || { echo "==> agent-1: no such box"; echo "it is not there" >&2; exit 1; } ;;
status) cat "$0.states" ;;
ssh) echo "ssh-ed25519 AAAA$2 root@box" ;;
esac
"""


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    for name in ("VAGRANT_DEFAULT_PROVIDER", "UTOPIA_VAGRANT_MEMORY", "UTOPIA_VAGRANT_CPUS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A `vagrant` that notes its calls and answers from files beside it."""
    path = tmp_path / "bin" / "vagrant"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    monkeypatch.setattr("vagrant.get_vagrant_executable", lambda: str(path))
    monkeypatch.setattr(vagrant_cli, "ensure", lambda *_: None)
    monkeypatch.setattr(vagrant, "ensure", lambda *_: None)
    return path


def states(program: Path, **nodes: str) -> None:
    lines = [f"1,{name.replace('_', '-')},state,{state}\n" for name, state in nodes.items()]
    Path(f"{program}.states").write_text("".join(lines))


def calls(program: Path) -> list[str]:
    return [line.split()[0] for line in Path(f"{program}.calls").read_text().splitlines()]


def inputs(cluster: Cluster = CLUSTER, **environment: str) -> dict:
    return vagrant_inputs.make(
        cluster, environment, key=Path("/k"), public_key="ssh-ed25519 A test", image="image:1", cgroup_v2=False
    )


def test_machines_have_the_arguments_of_driver_docker():
    document = inputs()
    agent = document["machines"][1]
    assert (agent["name"], agent["address"], agent["container"]) == ("agent-1", "192.168.56.21", "utopia-test-agent-1")
    for argument in ("--label=utopia.env=test", "--network=utopia-test", "--ip=192.168.56.21", "--cgroupns=host"):
        assert argument in agent["arguments"]
    assert "--volume=/var/lib/docker" in agent["arguments"]
    assert not any(argument.startswith(("--name", "--memory", "--cpus")) for argument in agent["arguments"])
    assert document["image"] == "image:1"
    assert document["command"][-1] == "ssh-ed25519 A test"


def test_sizes_by_topology_or_variable():
    assert (inputs(VIRTUAL)["memory"], inputs(VIRTUAL)["cpus"]) == (1024, 2)
    assert inputs(VIRTUAL, UTOPIA_VAGRANT_MEMORY="4096", UTOPIA_VAGRANT_CPUS="3")["memory"] == 4096
    sized = inputs(UTOPIA_VAGRANT_MEMORY="512")["machines"][0]["arguments"]
    assert sized == [*inputs()["machines"][0]["arguments"], "--memory=512m"], "no part of what machines are compared by"
    with pytest.raises(UsageError, match="UTOPIA_VAGRANT_CPUS is 'two'"):
        inputs(UTOPIA_VAGRANT_CPUS="two")


def test_the_provider_is_vagrants_own_variable_or_the_topologys(monkeypatch):
    assert drivers.uses_engine(CLUSTER)
    assert isinstance(drivers.get(CLUSTER), vagrant.VagrantContainers)
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", "virtualbox")
    assert not drivers.uses_engine(CLUSTER)
    assert isinstance(drivers.get(CLUSTER), vagrant.VagrantVirtualMachines)
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", "hyperv")
    with pytest.raises(UsageError, match="hyperv"):
        inputs()


def test_virtual_machines_are_made_once_and_their_host_keys_recorded(program):
    driver = drivers.get(VIRTUAL)
    states(program, admin_1="running", agent_1="not_created")
    created = driver.create(lambda *_: None)
    assert created.changes == {"admin-1": 0, "agent-1": 1}
    assert [machine.host_keys for machine in created.machines] == [
        ("ssh-ed25519 AAAAadmin-1",),
        ("ssh-ed25519 AAAAagent-1",),
    ]
    assert calls(program) == ["status", "up", "ssh", "ssh"]
    document = json.loads((paths.state_dir("test") / "vagrant-inputs.json").read_text())
    assert (document["provider"], document["memory"]) == ("libvirt", 1024)
    known = paths.state_dir("test") / "ssh" / "known_hosts"
    known.write_text("192.168.56.10 ssh-ed25519 AAAAold\n192.168.56.21 ssh-ed25519 AAAAold\n")
    states(program, admin_1="running", agent_1="poweroff")
    assert [machine.host_keys for machine in driver.machines()] == [("ssh-ed25519 AAAAold",)]
    created = driver.create(lambda *_: None)
    assert {machine.host_keys for machine in created.machines} == {("ssh-ed25519 AAAAold",)}


def test_only_what_vagrant_made_is_removed(program):
    states(program, admin_1="running", agent_1="not_created")
    assert drivers.get(VIRTUAL).destroy() == ("admin-1",)
    assert drivers.get(VIRTUAL).destroy("agent-1") == ()
    assert calls(program) == ["status", "destroy", "status"]


def test_a_failure_of_vagrant_is_told_with_its_last_lines(program):
    states(program, admin_1="not_created", agent_1="not_created")
    Path(f"{program}.broken").touch()
    with pytest.raises(MachinesError) as failure:
        drivers.get(VIRTUAL).create(lambda *_: None)
    assert failure.value.what == "vagrant up ended with status 1"
    assert list(failure.value.lines) == ["==> agent-1: no such box", "it is not there"]


def test_without_vagrant_the_operator_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(engine, "missing_packages", lambda programs: sorted(set(programs.values())))
    monkeypatch.setattr(engine, "privilege", lambda: None)
    with pytest.raises(EngineError, match="vagrant") as failure:
        vagrant_cli.ensure(lambda *_: None, "docker")
    assert "apt-get install --no-install-recommends vagrant" in failure.value.next_step


def test_the_key_is_put_in_place_once(tmp_path):
    script = (paths.CHECKOUT / "vagrant" / "root_key.sh").read_text().replace("/root", str(tmp_path))
    for _ in range(2):
        subprocess.run(["sh", "-c", script, "sh", "ssh-ed25519 A test"], check=True)
    assert (tmp_path / ".ssh" / "authorized_keys").read_text() == "ssh-ed25519 A test\n"
