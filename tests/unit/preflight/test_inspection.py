"""Orders, answers, waivers and what is remembered."""

import json
import time
from dataclasses import replace

import pytest
from preflight_situations import CLUSTER

from bootstrap import paths, plan
from bootstrap.errors import PreflightError, UnreachableError
from bootstrap.hosts import Result
from bootstrap.model import Machine
from bootstrap.phases import preflight as phase
from bootstrap.preflight import controller, gathering, inspection, needs, record
from bootstrap.preflight.facts import NodeFacts
from bootstrap.process import run
from bootstrap.secrets import Secrets

MACHINES = tuple(Machine(node.name, str(node.address), 22, "root", (f"key of {node.name}",)) for node in CLUSTER.nodes)
NAMES = [machine.node for machine in MACHINES]


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))


class Hosts:
    """Sound ones, as far as `change` does not say otherwise."""

    def __init__(self, change=None, lost=()):
        self.change, self.lost, self.asked = change or {}, lost, []

    def become_root(self, node):
        if node in self.lost:
            raise UnreachableError(f"{node} does not answer over SSH", cause="it is down", next_step="start it")

    def each(self, nodes, work):
        found = {}
        for node in nodes:
            try:
                found[node] = work(node)
            except UnreachableError as error:
                found[node] = error
        return found

    def run(self, node, command, *, sudo, stdin, timeout):
        assert sudo
        if command.startswith("sha256sum"):
            return Result(node, 1, "", "there is no such file")
        self.asked.append(node)
        assert stdin.startswith("ORDER = {'paths': [")
        now = {"time": time.time(), "ended": time.time(), "failed": {}}
        return Result(node, 0, json.dumps({**now, **self.sound(node), **self.change.get(node, {})}), "")

    @staticmethod
    def sound(node):
        address = next(machine.address for machine in MACHINES if machine.node == node)
        place = {"exists": False, "mount": "/", "device": "1:1", "type": "ext4", "options": ["rw"], "entries": []}
        wanted = needs.of(CLUSTER, next(one for one in CLUSTER.nodes if one.name == node)).paths
        system = {"id": "debian", "version": "12", "name": "Debian", "machine": "x86_64", "init": "systemd"}
        return {
            "system": {**system, "kernel": "6", "python": "3.11", "machine_id": node, "boot_id": node},
            "cgroups": {"v1": sorted(controller.CGROUP_CONTROLLERS), "v2": False},
            "memory": {"total": 1 << 40, "swap": 0},
            "limits": {"open_files": -1, "map_count": 262144},
            "paths": {path: {**place, "free": 1 << 40, "total": 1 << 41} for path in wanted},
            "listening": [],
            "noteworthy": [],
            "addresses": [address],
            "names": {"hostname": node, "forward": {}, "reverse": []},
            "modules": {},
            "packages": {},
            "docker": "",
            "trusted_master": "",
            "reached": {},
        }


def inspect(hosts, nodes=NAMES, cluster=CLUSTER):
    return inspection.inspect(cluster, hosts, MACHINES, nodes)


def test_the_probe_says_everything_there_is_a_field_for():
    script = "ORDER = {'paths': ['/var/lib/none/at/all'], 'address': '127.0.0.1', 'packages': ['dpkg']}\n"
    done = run(["sh", "-c", gathering._COMMAND], stdin=(script + gathering.PROBE.read_text()).encode())
    document = json.loads(done.out)
    assert document["failed"] == {}
    from bootstrap.preflight import facts

    assert set(facts._PARTS) <= set(document)
    read = facts.read(document, (0.0, 0.0))
    assert read.places["/var/lib/none/at/all"].exists is False
    assert read.places["/var/lib/none/at/all"].free > 0
    assert "127.0.0.1" in read.addresses
    assert "dpkg" in read.packages


def test_all_nodes_are_asked_and_nothing_is_said_of_sound_ones():
    hosts = Hosts()
    found = inspect(hosts)
    assert sorted(hosts.asked) == sorted(NAMES)
    assert (found.findings, found.errors) == ((), {})


def test_a_node_that_does_not_answer_hides_nothing_of_the_others():
    found = inspect(Hosts({"agent-1": {"docker": "18.9"}}, lost=["admin-1"]))
    assert [(one.rule, one.node) for one in found.findings] == [("reached", "admin-1"), ("docker-version", "agent-1")]
    assert set(found.errors) == {"admin-1"}


@pytest.mark.parametrize(
    ("answer", "what"), [('{"python": false}', "there is no Python 3"), ("Welcome!\n{}", "the probe gave no answer")]
)
def test_a_host_that_cannot_run_the_probe_is_told_as_such(answer, what, monkeypatch):
    monkeypatch.setattr(Hosts, "run", lambda self, node, *_args, **_more: Result(node, 0, answer, ""))
    found = inspect(Hosts(), ["agent-1"])
    assert [(one.rule, one.found.split(" (")[0]) for one in found.findings] == [("reached", what)]


def test_a_waiver_lets_it_pass_with_its_reason():
    cluster = replace(CLUSTER, waivers={"docker-version": "replaced on Monday"})
    (finding,) = inspect(Hosts({"agent-1": {"docker": "18.9"}}), cluster=cluster).findings
    assert (finding.severity, finding.reason) == ("waived", "replaced on Monday")
    assert str(finding).endswith("[docker-version]; waived: replaced on Monday")


class Context:
    def __init__(self, hosts, cluster=CLUSTER):
        self.cluster, self.machines, self.hosts = cluster, MACHINES, hosts
        self.plan, self.secrets = plan.make(cluster), Secrets(cluster.env)

    def progress(self, *_):
        pass


class Phase:
    name = "preflight"


def test_what_was_found_good_is_not_asked_again():
    hosts = Hosts()
    phase.run(Context(hosts), Phase)
    assert sorted(hosts.asked) == sorted(NAMES)
    again = Hosts()
    phase.run(Context(again), Phase)
    assert again.asked == []


def test_what_is_wanted_of_a_node_now_is_asked():
    phase.run(Context(Hosts()), Phase)
    nodes = tuple(replace(n, resources={"mem": "2048"}) if n.name == "agent-1" else n for n in CLUSTER.nodes)
    hosts = Hosts()
    phase.run(Context(hosts, replace(CLUSTER, nodes=nodes)), Phase)
    assert hosts.asked == ["agent-1"]


def test_another_machine_or_another_day_is_asked(monkeypatch):
    phase.run(Context(Hosts()), Phase)
    assert record.unknown(CLUSTER, MACHINES) == []
    assert record.unknown(CLUSTER, [replace(MACHINES[0], host_keys=("new",)), *MACHINES[1:]]) == ["admin-1"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 25 * 3600)
    assert record.unknown(CLUSTER, MACHINES) == NAMES
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert record.unknown(CLUSTER, MACHINES) == NAMES


def test_a_damaged_record_is_none():
    phase.run(Context(Hosts()), Phase)
    (paths.state_path("prod") / "preflight.json").write_text("[1]")
    assert record.unknown(CLUSTER, MACHINES) == NAMES


def test_all_findings_of_all_nodes_stop_the_run_and_nothing_is_remembered():
    with pytest.raises(PreflightError) as refused:
        phase.run(Context(Hosts({"agent-1": {"docker": "18.9"}, "admin-1": {"addresses": ["10.9.9.9"]}})), Phase)
    assert len(refused.value.lines) == 2
    assert record.read("prod") == {}


def test_silent_nodes_alone_have_the_status_of_their_own():
    with pytest.raises(UnreachableError, match="does not answer over SSH"):
        phase.run(Context(Hosts(lost=["agent-1"])), Phase)


def test_warnings_are_notes():
    notes = phase.run(Context(Hosts({"control-1": {"limits": {"open_files": -1, "map_count": 1}}})), Phase).notes
    assert any("vm.max_map_count = 1" in note for note in notes)


# --- whose it is ---------------------------------------------------------------------------------


def ours(node="control-1"):
    """The node's minion trusts our master."""
    folder = paths.state_dir("prod") / "salt"
    folder.mkdir(exist_ok=True)
    (folder / "master.pub").write_text("our key\n")
    return {node: {"trusted_master": "our key"}}


def with_data(changes, path):
    node = next(iter(changes))
    places = Hosts.sound(node)["paths"]
    places[path] = {**places[path], "exists": True, "entries": ["something"]}
    return {node: {**changes[node], "paths": places}}


def test_data_on_a_node_of_ours_is_ours_when_its_role_was_set_up_by_us():
    changes = with_data(ours(), "/var/lib/zookeeper")
    assert inspect(Hosts(changes)).findings == ()  # set up before there was a record
    phase.run(Context(Hosts(changes)), Phase)
    assert inspect(Hosts(changes)).findings == ()


def test_data_of_a_role_that_comes_later_is_somebody_elses():
    before = tuple(replace(n, roles=("zookeeper",)) if n.name == "control-1" else n for n in CLUSTER.nodes)
    phase.run(Context(Hosts(), replace(CLUSTER, nodes=before)), Phase)
    changes = with_data(ours(), "/var/lib/elasticsearch")
    assert [(one.rule, one.node) for one in inspect(Hosts(changes)).findings] == [("foreign-data", "control-1")]
    assert inspect(Hosts(with_data(ours(), "/var/lib/zookeeper"))).findings == ()


def test_data_without_a_minion_of_ours_is_somebody_elses():
    phase.run(Context(Hosts()), Phase)
    changes = with_data({"control-1": {}}, "/var/lib/zookeeper")
    assert [one.rule for one in inspect(Hosts(changes)).findings] == ["foreign-data"]


# --- who needs whom ------------------------------------------------------------------------------


def test_ways_follow_from_the_role_table():
    ways = {(way.source, way.target, way.port.number) for way in needs.ways(CLUSTER)}
    assert ("agent-1", "control-1", 5050) in ways
    assert ("control-1", "agent-1", 5051) in ways
    assert ("agent-1", "admin-1", 8443) in ways
    assert ("agent-1", "control-1", 9200) in ways  # every node
    assert ("admin-1", "control-1", 5050) not in ways
    assert not any(source == target for source, target, _ in ways)
    assert not any(target == "agent-1" and port == 22 for _, target, port in ways)


def test_a_folder_follows_its_setting():
    settings = {"zookeeper": {"data_dir": "/data/zk"}, "mesos-master": {"flags": {"work_dir": "/data/mesos"}}}
    wanted = needs.of(replace(CLUSTER, settings=settings), CLUSTER.nodes[1])
    assert wanted.data["/data/zk"] == "zookeeper"
    assert wanted.data["/data/mesos"] == "mesos-master"
    assert "/var/lib/zookeeper" not in wanted.paths


def test_every_path_of_the_role_table_is_one():
    for role in CLUSTER.roles.values():
        for path in (*role.requires.disk, *role.requires.data, *role.requires.run):
            assert needs.resolve(CLUSTER, path).startswith("/")


def test_a_part_that_failed_keeps_what_is_sound_and_is_told():
    assert isinstance(NodeFacts().places, dict)
    found = inspect(Hosts({"agent-1": {"failed": {"modules": "OSError: x"}}})).findings
    assert [(one.rule, one.node) for one in found] == [("answers", "agent-1")]
