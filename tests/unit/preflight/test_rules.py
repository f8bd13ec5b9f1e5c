"""Every rule about nodes, as data: facts that are otherwise, and what is said of them."""

from dataclasses import replace

import pytest
from preflight_situations import CLUSTER, judged

from bootstrap.preflight import names, rules
from bootstrap.preflight.facts import Listener, Place
from bootstrap.preflight.inspection import HOST

ZK, ZK_LOG, ES = "/var/lib/zookeeper", "/var/lib/zookeeper-log", "/var/lib/elasticsearch"
AGENT, MASTER, ENGINE = "/var/lib/mesos/agent", "/var/lib/mesos/master", "/var/lib/docker"
GIB = 1 << 30


def places(**others):
    """All places of control-1 but for some."""
    base = {path: Place() for path in ("/var", "/opt", ZK, ZK_LOG, MASTER, ES)}
    return {"places": base | {path.replace("__", "/").replace("_", "-"): place for path, place in others.items()}}


def at(node, path, **place):
    others = {p: Place() for p in ("/var", "/opt", ZK, ZK_LOG, MASTER, ES, AGENT, ENGINE, "/srv/utopia/artifacts")}
    return {node: {"places": others | {path: replace(Place(), **place)}}}


def listens(node, port, process="", pid=0, protocol="tcp", loopback=False):
    return {node: {"listening": (Listener(port, protocol, process, pid, loopback),)}}


NAME = "control-1.prod.example"
# (what is otherwise, rule, severity, node, found, fix)
SAID = [
    ({"agent-1": {"distribution": "ubuntu", "version": "24.04", "system_name": "Ubuntu 24.04 LTS"}},
     "operating-system", "error", "agent-1", "Ubuntu 24.04 LTS", "install Debian 12"),
    ({"agent-1": {"version": "11", "system_name": "Debian GNU/Linux 11"}},
     "operating-system", "error", "agent-1", "Debian GNU/Linux 11", "install Debian 12"),
    ({"agent-1": {"system_name": "", "distribution": ""}},
     "operating-system", "error", "agent-1", "no name of a system", "install Debian 12"),
    ({"admin-1": {"machine": "aarch64"}}, "architecture", "error", "admin-1", "architecture aarch64", "x86"),
    ({"admin-1": {"init": "sh"}}, "init", "error", "admin-1", "process 1 is sh", "boot the machine with systemd"),
    ({"admin-1": {"failed": {"packages": "OSError: none"}}},
     "answers", "warning", "admin-1", "packages could not be read: OSError: none", "bootstrap preflight"),
    ({"agent-1": {"cgroup_v1": frozenset(), "cgroup_v2": True}},
     "cgroups", "error", "agent-1", "cgroup v2 alone", "GRUB_CMDLINE_LINUX"),
    ({"agent-1": {"cgroup_v1": frozenset({"cpu", "cpuacct", "memory", "pids"})}},
     "cgroups", "error", "agent-1", "cgroup v1 without freezer", "launcher: posix"),
    ({"control-1": {"memory": 4 * GIB}},
     "memory", "error", "control-1", "4096 MiB of memory", "move a role to another node"),
    ({"agent-1": {"memory": 5 * GIB}}, "memory", "error", "agent-1", "5120 MiB of memory", "offer less to tasks"),
    (at("control-1", ES, device="8:2", mount="/data", free=3 * GIB),
     "disk-room", "error", "control-1", "3.0 GiB free on /data", "make room"),
    (at("agent-1", ENGINE, options=("rw", "noexec")),
     "mount-options", "error", "agent-1", "/var/lib/docker is on /, mounted noexec", "remount,exec"),
    (at("agent-1", AGENT, options=("rw", "noexec"), mount="/data"),
     "mount-options", "error", "agent-1", f"{AGENT} is on /data, mounted noexec", "remount,exec /data"),
    (at("control-1", ZK, options=("ro",)),
     "mount-options", "error", "control-1", f"{ZK} is on /, mounted read-only", "remount,rw"),
    (listens("control-1", 2181, "java", 77),
     "ports-free", "error", "control-1", "java (process 77) listens on port 2181/tcp", "sport = :2181"),
    (listens("control-1", 5050),
     "ports-free", "error", "control-1", "a process of the kernel or of another user listens", "sport = :5050"),
    (listens("admin-1", 8000, "node", 5, loopback=True),
     "ports-free", "error", "admin-1", "listens on port 8000/tcp of loopback", "give the role"),
    ({"agent-1": {"addresses": frozenset({"127.0.0.1", "192.168.7.4"})}},
     "address", "error", "agent-1", "addresses 192.168.7.4", "correct the address"),
    ({"agent-1": {"addresses": frozenset({"127.0.0.1"})}},
     "address", "error", "agent-1", "none but loopback", "correct the address"),
    ({"control-1": {"forward": {"control-1": ("127.0.1.1",)}}},
     "names", "warning", "control-1", "control-1 resolves to 127.0.1.1", "/etc/hosts"),
    ({"control-1": {"forward": {NAME: ("10.9.9.9",)}}},
     "names", "error", "control-1", f"{NAME} resolves to 10.9.9.9", "two machines must not share a name"),
    ({"control-1": {"reverse": ("db-7.prod.example",)}},
     "reverse-names", "warning", "control-1", "10.1.0.11 resolves back to db-7.prod.example", "PTR"),
    ({"agent-1": {"clock": (-31.0, -29.0)}}, "clock", "error", "agent-1", "a clock 29.0 s behind", "chronyc"),
    ({"agent-1": {"clock": (2.0, 2.2)}}, "clock", "warning", "agent-1", "a clock 2.0 s ahead", "chronyc"),
    ({"agent-1": {"machine_id": "id-of-admin-1"}},
     "same-machine", "warning", "admin-1", "the same machine-id on admin-1, agent-1", "systemd-machine-id-setup"),
    ({"control-1": {"map_count": 65530}},
     "map-count", "warning", "control-1", "vm.max_map_count = 65530", "the host baseline raises it"),
    ({"control-1": {"open_files": 20000}},
     "open-files", "error", "control-1", "at most 20000 open files", "raise the hard limit"),
    ({"control-1": {"swap": 2 * GIB}}, "swap", "warning", "control-1", "2048 MiB of swap", "switched off"),
    ({"agent-1": {"modules": {"overlay": False}}},
     "kernel-modules", "error", "agent-1", "no kernel module overlay", "modprobe overlay"),
    ({"agent-1": {"packages": {"docker-ce": "5:24.0", "containerd.io": "1.7"}}},
     "docker-version", "error", "agent-1", "containerd.io 1.7, docker-ce 5:24.0", "remove these packages"),
    ({"agent-1": {"docker": "18.9.1"}}, "docker-version", "error", "agent-1", "Docker 18.9.1", "docker.io"),
    ({"agent-1": {"trusted_master": "another key"}},
     "foreign-salt", "error", "agent-1", "a Salt minion that trusts another master", "purge salt-minion"),
    ({"agent-1": {"packages": {"salt-minion": "3006.9"}}},
     "foreign-salt", "error", "agent-1", "salt-minion 3006.9 is installed", "purge salt-minion"),
    ({"agent-1": {"noteworthy": frozenset({"salt-master"})}},
     "foreign-salt", "error", "agent-1", "salt-master runs", "purge salt-master"),
    (at("control-1", ZK, exists=True, entries=("myid", "version-2")),
     "foreign-data", "error", "control-1", f"data in {ZK} (myid, version-2)", "move it away yourself"),
    (at("control-1", MASTER, exists=True, entries=("replicated_log",)),
     "foreign-data", "error", "control-1", f"data in {MASTER} (replicated_log)", "find out whose"),
    (at("agent-1", AGENT, exists=True, entries=("meta", "provisioner", "slaves", "volumes", "x")),
     "foreign-data", "error", "agent-1", f"data in {AGENT} (meta, provisioner, slaves, volumes, ...)", "find out"),
    (at("control-1", ES, exists=True, entries=("nodes",)),
     "foreign-data", "error", "control-1", f"data in {ES} (nodes)", "set another folder"),
    ({"control-1": {"noteworthy": frozenset({"elasticsearch"})}},
     "foreign-service", "error", "control-1", "elasticsearch runs there already", "stop and disable"),
    ({"agent-1": {"noteworthy": frozenset({"mesos-slave"})}},
     "foreign-service", "error", "agent-1", "mesos-slave runs there already", "stop and disable"),
    ({"agent-1": {"reached": {"10.1.0.11:5050": "silent"}}},
     "reachability", "error", "agent-1", "agent-1 cannot reach 10.1.0.11:5050 (no answer", "open it in the firewalls"),
    ({"agent-1": {"reached": {"10.1.0.11:5050": "refused"}}, "control-1": {"bound": frozenset({5050})}},
     "reachability", "error", "agent-1", "refused, although the port was open there", "open it in the firewalls"),
    ({node: {"reached": {"10.1.0.10:4505": "unreachable"}} for node in ("control-1", "agent-1")},
     "reachability", "error", "admin-1", "agent-1, control-1 cannot reach 10.1.0.10:4505 (no route", "nc -vz 10.1"),
    ({"agent-1": {"reached": {"10.1.0.10:8443": "silent"}}},
     "artifact-server", "error", "agent-1", "agent-1 cannot reach 10.1.0.10:8443", "open it in the firewalls"),
]  # fmt: skip


def test_nothing_is_said_of_sound_machines():
    assert judged() == []
    assert judged(owned=True) == []
    assert judged(lab=True) == []


@pytest.mark.parametrize(("changes", "rule", "severity", "node", "found", "fix"), SAID)
def test_what_is_wrong_is_said_once(changes, rule, severity, node, found, fix):
    (finding,) = judged(changes)
    assert (finding.rule, finding.severity, finding.node) == (rule, severity, node)
    assert found in finding.found
    assert fix in finding.fix
    assert finding.wanted and finding.why
    assert finding.found in str(finding) and f"[{rule}]" in str(finding)


def test_every_rule_is_tried_here():
    assert {case[1] for case in SAID} == {*rules.NODE, *rules.FLEET}


def test_every_rule_may_be_named_in_a_waiver_or_not_at_all():
    from bootstrap.preflight import controller

    known = {*rules.NODE, *rules.FLEET, *controller.COMMON, *controller.DOCKER, "reached"}
    assert {*names.WAIVABLE, *names.NEVER_WAIVED} == known
    assert not set(names.WAIVABLE) & set(names.NEVER_WAIVED)
    assert {*rules.OF_THE_HOST} <= {*rules.NODE}


QUIET = [
    listens("edge-9", 2181),
    listens("agent-1", 2181, "java", 7),  # a port of none of its roles
    listens("control-1", 2181, "java", 7, protocol="udp"),
    {"admin-1": {"cgroup_v1": frozenset(), "cgroup_v2": True}},  # runs no tasks
    {"admin-1": {"swap": GIB, "open_files": 1024, "map_count": 65530}},  # no index
    {"control-1": {"forward": {NAME: ()}, "reverse": ()}},  # no DNS at all: the hosts file will have them
    {"agent-1": {"clock": (-3.0, 3.0)}},  # slow to answer proves nothing
    {"agent-1": {"reached": {"10.1.0.11:5050": "refused"}}},  # nothing listened there, and nothing was blocked
    {"agent-1": {"docker": "20.10.24"}},
    {"admin-1": {"packages": {"docker-ce": "5:24.0"}}},  # no node for containers
    at("control-1", "/srv/data", exists=True, entries=("anything",)),
    at("control-1", ZK, exists=True),  # empty
    at("control-1", ZK, options=("rw", "noexec")),  # nothing is run from there
]


@pytest.mark.parametrize("changes", QUIET)
def test_what_is_no_obstacle_is_not_told(changes):
    assert judged(changes) == []


OURS = [
    listens("control-1", 2181, "java", 7),
    at("control-1", ZK, exists=True, entries=("myid", "version-2")),
    at("control-1", ES, exists=True, entries=("nodes",), device="8:2", free=2 * GIB),
    {"control-1": {"noteworthy": frozenset({"zookeeper", "mesos-master", "elasticsearch", "salt-minion"})}},
    {"admin-1": {"noteworthy": frozenset({"salt-master", "salt-minion"}), "trusted_master": "ours"}},
]


@pytest.mark.parametrize("changes", OURS)
def test_what_we_set_up_ourselves_is_no_obstacle(changes):
    assert judged(changes, owned=True) == []
    assert judged(changes) != []


def test_a_master_on_another_node_than_ours_is_somebody_elses():
    (finding,) = judged({"agent-1": {"noteworthy": frozenset({"salt-master"})}}, owned=True)
    assert finding.rule == "foreign-salt"


def test_a_settled_node_needs_some_room_all_the_same():
    (finding,) = judged(at("control-1", ES, device="8:2", free=GIB // 2), owned=True)
    assert "0.5 GiB free" in finding.found and finding.wanted.startswith("1 GiB")


def test_an_artifact_server_that_does_not_run_is_told_where_it_should():
    (finding,) = judged({"agent-1": {"reached": {"10.1.0.10:8443": "refused"}}}, owned=True)
    assert (finding.rule, finding.severity, finding.node) == ("artifact-server", "warning", "admin-1")


def test_disks_are_added_up_per_file_system():
    (finding,) = judged(at("control-1", "/nothing") | {"control-1": {"places": {
        path: Place(free=20 * GIB) for path in ("/var", "/opt", ZK, ZK_LOG, MASTER, ES)}}})  # fmt: skip
    assert finding.wanted == f"35 GiB for /var, /opt, {ZK}, {ZK_LOG}, {MASTER}, {ES}"


def test_one_machine_cannot_be_two_nodes():
    twin = {"machine_id": "m", "boot_id": "b", "hostname": "h", "addresses": frozenset({"10.1.0.10", "10.1.0.21"})}
    found = judged({"admin-1": twin, "agent-1": twin})
    assert [(one.rule, one.severity) for one in found] == [("same-machine", "error")]
    assert "they are one machine" in found[0].why


def test_without_cgroups_no_hierarchy_is_needed():
    flags = {"mesos-agent": {"flags": {"launcher": "posix", "isolation": "posix/cpu,posix/mem"}}}
    assert judged({"agent-1": {"cgroup_v1": frozenset()}}, cluster=replace(CLUSTER, settings=flags)) == []


def test_in_a_lab_what_the_host_lacks_is_said_once_for_the_host():
    nodes = tuple(replace(node, roles=(*node.roles, "elasticsearch")) for node in CLUSTER.nodes[1:])
    cluster = replace(CLUSTER, nodes=(CLUSTER.nodes[0], *nodes))
    poor = {"map_count": 65530, "swap": GIB, "open_files": 20000, "memory": GIB}
    found = judged({node.name: poor for node in nodes}, cluster=cluster, lab=True)
    assert [(one.rule, one.severity, one.node) for one in found] == [
        ("map-count", "error", HOST),
        ("open-files", "error", HOST),
        ("swap", "warning", HOST),
    ]
    lenient = {"lab_pretend_open_files": True, "config": {"node.store.allow_mmap": False}}
    cluster = replace(cluster, settings={"elasticsearch": lenient})
    assert [one.rule for one in judged({nodes[0].name: poor}, cluster=cluster, lab=True)] == ["swap"]


def test_with_too_many_nodes_to_listen_together_a_refusal_proves_nothing():
    changes = {"agent-1": {"reached": {"10.1.0.11:5050": "refused"}}, "control-1": {"bound": frozenset({5050})}}
    assert judged(changes, exact=False) == []
