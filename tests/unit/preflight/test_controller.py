"""Facts nobody has at hand, and what preflight says about them."""

import socket
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml

from bootstrap import config, host_facts, paths, preflight
from bootstrap.errors import PreflightError
from bootstrap.host_facts import Facts
from bootstrap.model import Cluster, Node

CLUSTER = Cluster(
    env="test",
    path=Path("cluster.yaml"),
    driver="docker",
    driver_settings={},
    domain="test.utopia",
    network=IPv4Network("172.30.9.0/24"),
    nodes=(
        Node("control-1", IPv4Address("172.30.9.11"), ("mesos-master",)),
        Node("agent-1", IPv4Address("172.30.9.21"), ("docker", "mesos-agent")),
    ),
    roles={},
    settings={},
)
V1 = frozenset({"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "systemd"})
GOOD = Facts(
    cgroup_v1=V1,
    engine_free=100 << 30,
    storage_driver="overlay2",
    routes=((IPv4Network("0.0.0.0/0"), "eth0"), (IPv4Network("172.17.0.0/16"), "docker0")),
)
POSIX = {"mesos-agent": {"flags": {"launcher": "posix", "isolation": "posix/cpu,posix/mem"}}}


def test_nothing_to_say_about_a_good_machine():
    assert preflight.check(CLUSTER, GOOD) == []
    preflight.require(CLUSTER, GOOD)


@pytest.mark.parametrize(
    ("facts", "severity", "said"),
    [
        (replace(GOOD, cgroup_v1=frozenset(), cgroup_v2=True), "error", "cgroup v2 alone"),
        (replace(GOOD, cgroup_v1=V1 - {"freezer"}), "error", "cgroup v1 without freezer"),
        (replace(GOOD, cgroup_v1=frozenset()), "error", "without cpu, cpuacct, freezer, memory, pids"),
        (replace(GOOD, open_files=20000), "warning", "at most 20000 open files"),
        (replace(GOOD, inotify_limit=128, inotify_used=113), "error", "128, 113 of them in use, wanted at least 129"),
        (replace(GOOD, cache_free=1 << 30), "error", "1.0 GiB free"),
        (replace(GOOD, engine_free=5 << 30), "error", "6 GiB for 2 machines"),
        (replace(GOOD, memory_available=600 << 20), "warning", "1000 MiB for 2 more machines"),
        (replace(GOOD, storage_driver="vfs"), "warning", "vfs"),
        (replace(GOOD, routes=((IPv4Network("172.16.0.0/12"), "tun0"),)), "error", "172.16.0.0/12 through tun0"),
        (replace(GOOD, routes=((IPv4Network("172.30.9.128/25"), "br-1"),)), "error", "172.30.9.128/25 through br-1"),
    ],
)
def test_what_is_missing_is_said(facts, severity, said):
    (finding,) = preflight.check(CLUSTER, facts)
    assert finding.severity == severity
    assert said in str(finding)
    assert finding.fix
    if severity == "error":
        with pytest.raises(PreflightError) as failure:
            preflight.require(CLUSTER, facts)
        assert failure.value.lines == (str(finding),)


def test_the_environments_own_bridge_is_no_obstacle():
    facts = replace(GOOD, routes=((CLUSTER.network, "br-0123456789ab"),), own_devices=frozenset({"br-0123456789ab"}))
    assert preflight.check(CLUSTER, facts) == []


def test_machines_that_run_already_need_no_more_room():
    assert (
        preflight.check(CLUSTER, replace(GOOD, engine_free=5 << 30, memory_available=1, inotify_limit=1, machines=2))
        == []
    )


def test_no_agent_or_no_cgroup_isolation_needs_no_cgroup_v1():
    v2 = replace(GOOD, cgroup_v1=frozenset(), cgroup_v2=True)
    assert preflight.check(replace(CLUSTER, nodes=CLUSTER.nodes[:1]), v2) == []
    assert preflight.check(replace(CLUSTER, settings=POSIX), v2) == []


def test_existing_hosts_are_judged_by_what_they_are_not_by_this_machine():
    bad = Facts(engine_free=0, storage_driver="vfs", memory_available=0, cgroup_v2=True, open_files=1)
    assert preflight.check(replace(CLUSTER, driver="ssh"), bad) == []


def test_errors_come_first():
    facts = replace(GOOD, open_files=20000, cgroup_v1=frozenset(), cgroup_v2=True)
    assert [finding.severity for finding in preflight.check(CLUSTER, facts)] == ["error", "warning"]


def test_facts_are_read_from_the_kernels_files(tmp_path):
    cgroup = tmp_path / "sys/fs/cgroup"
    for name in ("freezer", "cpu,cpuacct", "memory"):
        (cgroup / name).mkdir(parents=True)
        (cgroup / name / "tasks").touch()
    (cgroup / "unified").mkdir()
    assert host_facts.cgroup_v1_controllers(cgroup) == {"freezer", "cpu", "cpuacct", "memory"}
    assert host_facts.cgroup_v1_controllers(tmp_path / "absent") == frozenset()

    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "br-1\t00091EAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert host_facts.routes(table) == (
        (IPv4Network("0.0.0.0/0"), "eth0"),
        (IPv4Network("172.30.9.0/24"), "br-1"),
    )

    process = tmp_path / "proc/77"
    process.mkdir(parents=True)
    (process / "comm").write_text("dockerd\n")
    (process / "limits").write_text("Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   20000   files\n")
    assert host_facts.open_files_limit(tmp_path / "proc") == 20000

    (process / "fd").mkdir()
    (process / "fd/3").symlink_to("anon_inode:inotify")
    (process / "fd/4").symlink_to("/dev/null")
    assert host_facts.inotify_used(tmp_path / "proc") == 1

    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  2048 kB\nMemAvailable:   1024 kB\n")
    assert host_facts.memory_available(meminfo) == 1 << 20


EDGE = replace(
    CLUSTER,
    nodes=(*CLUSTER.nodes, Node("edge-1", IPv4Address("172.30.9.31"), ("ingress",))),
    driver_settings={"publish": {"edge-1": ["127.0.0.1:10080:80", "127.0.0.1:10443:443/tcp", "127.0.0.1::53/udp"]}},
)


@pytest.mark.parametrize(
    ("settings", "files", "said"),
    [
        ({}, 65536, ""),
        ({}, 20000, "41000 for 20000 connections of the edge"),
        ({"haproxy": {"max_connections": 4000}}, 20000, ""),
        ({"haproxy": {"max_connections": 4000}}, 4096, "9000 for 4000 connections of the edge"),
    ],
)
def test_the_edge_needs_files_for_its_connections(settings, files, said):
    cluster = replace(EDGE, settings=settings)
    found = [str(f) for f in preflight.check(cluster, replace(GOOD, open_files=files)) if f.severity == "error"]
    assert len(found) == bool(said)
    assert all(said in text for text in found)
    assert all("max_connections: 9500" in text for text in found if files == 20000)


def test_the_number_of_connections_is_the_default_of_the_states():
    defaults = yaml.safe_load((paths.SALT / "haproxy/defaults.yaml").read_text())
    assert defaults["max_connections"] == preflight.EDGE_CONNECTIONS


def test_a_port_to_be_published_is_free():
    (finding,) = preflight.check(EDGE, replace(GOOD, taken=frozenset({10080})))
    assert "port 10080 of loopback" in str(finding)


def test_ports_of_machines_that_run_are_theirs():
    assert host_facts.published(EDGE, []) == {10080, 10443}
    assert host_facts.published(EDGE, ["edge-1"]) == set()
    assert host_facts.published(CLUSTER, []) == set()


def test_who_listens_has_the_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert host_facts.is_taken(port)
    assert not host_facts.is_taken(port)


def test_given_secrets_are_told_with_the_rest(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    cluster = config.load("prod")
    role = replace(cluster.roles["base"], secrets=("given-a", "base-b", "given-c"))
    found = list(preflight.given_secrets(replace(cluster, roles={**cluster.roles, "base": role})))
    mine = [one for one in found if "given-a" in one.found or "given-c" in one.found]
    assert [(one.severity, one.rule) for one in mine] == [(preflight.ERROR, "given-secrets")] * 2
    assert all(str(tmp_path) in one.wanted and str(tmp_path) in one.fix for one in mine)
    assert not any("base-b" in one.found for one in found)
