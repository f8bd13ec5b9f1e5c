"""The phase `salt`: whom it visits, and why."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap import salt_files, salt_install, salt_master
from bootstrap.errors import SaltError, UnreachableError
from bootstrap.hosts import Result
from bootstrap.phases import salt as phase_salt
from bootstrap.salt_keys import KeyPair

PAIR = KeyPair(b"private", b"public")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


class FakeHosts:
    """Records visits; `statuses` are answered in turn to a put on a node."""

    def __init__(self, inspected: str = "") -> None:
        self.inspected = inspected
        self.puts: list[str] = []
        self.ran: list[tuple[str, str]] = []
        self.down: set[str] = set()
        self.missing_salt: set[str] = set()
        self.scripts: list[str] = []

    def run(self, node: str, command: str, **_options: Any) -> Result:
        self.ran.append((node, command))
        if command == salt_master.INSPECT:
            return Result(node, 0, self.inspected, "")
        if "venv --without-pip" in command:
            self.missing_salt.discard(node)
        if command.startswith("journalctl"):
            return Result(node, 0, "the minion says why\n", "")
        return Result(node, 0, "", "")

    def run_all(self, command: str, nodes: Any, **_options: Any) -> dict[str, Any]:
        return {node: self.run(node, command) for node in nodes}

    def put_tree(self, node: str, files: Any, *, first: str = "", then: str = "", **_options: Any) -> Result:
        self.scripts.append(first + then)
        if node in self.down:
            raise UnreachableError(f"{node} does not answer over SSH", where=node, lines=["refused"])
        if node in self.missing_salt:
            return Result(node, salt_install.NEEDED, "", "")
        self.puts.append(node)
        return Result(node, 0, "".join(f"changed {path}\n" for path in files), "")

    def put_file(self, node: str, *_arguments: Any, **_options: Any) -> Result:
        return Result(node, 0, "", "")

    def each(self, nodes: Any, work: Any) -> dict[str, Any]:
        outcome = {}
        for node in nodes:
            try:
                outcome[node] = work(node)
            except (SaltError, UnreachableError) as error:
                outcome[node] = error
        return outcome


class FakeSalt:
    """Minions that give the fingerprint they were visited with."""

    def __init__(self, hosts: FakeHosts) -> None:
        self.hosts = hosts
        self.prints: dict[str, Any] = {}
        self.after: dict[str, Any] = {}
        self.up = True
        self.synced: list[str] = []
        self.asked: list[Any] = []
        self.hanging: list[str] = []  # nodes that do not answer when they are asked about services as well

    def ask(self, nodes: Any, function: str, *token: str, **_options: Any) -> Any:
        assert function == "bootstrap.fingerprint"
        self.asked.append((list(nodes), *token))
        if not self.up:
            self.up = True
            raise SaltError("no API yet")
        for node in set(nodes) & set(self.hosts.puts) & self.after.keys():
            self.prints[node] = self.after[node]
        heard = [node for node in nodes if node in self.prints and not (token and node in self.hanging)]
        return SimpleNamespace(values={node: self.prints[node] for node in heard})

    def call(self, nodes: Any, function: str, **_options: Any) -> dict[str, Any]:
        if function == "saltutil.sync_all":
            self.synced += nodes
            for node in nodes:
                self.prints[node] = self.after.get(node, self.prints[node])
        return {node: self.prints[node] for node in nodes}

    def login(self) -> None: ...

    def reset(self) -> None: ...


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A context of three nodes whose machines are as the phase wants them."""
    from bootstrap import config, plan
    from bootstrap.certificates import Authority
    from bootstrap.secrets import Secrets

    made = plan.make(config.load("small"))
    phase = next(phase for phase in made.phases if phase.name == "salt")
    hosts = FakeHosts()
    told: list[Any] = []
    context = SimpleNamespace(
        minions_were_right=told.append,
        plan=made,
        cluster=made.cluster,
        hosts=hosts,
        salt=FakeSalt(hosts),
        artifacts={},
        secrets=Secrets("small"),
        authority=Authority("small"),
        teller=lambda _phase: lambda _node, _text: None,
    )
    monkeypatch.setattr(phase_salt, "_MINION_SECONDS", 0.2)
    wanted = phase_salt._Bootstrap(context, phase)._wanted()
    everything = {**wanted.served, **wanted.master, **wanted.tls}
    lines = ["== sums"]
    lines += [f"{hashlib.sha256(c).hexdigest()}  {p}" for p, (c, _m) in everything.items() if not p.endswith("/")]
    lines += ["== modes", *(f"{mode:o} {path}" for path, (_content, mode) in everything.items())]
    hosts.inspected = "\n".join(lines)
    right = {
        node: {"loaded": wanted.marks[node], "files": wanted.marks[node], "modules": wanted.modules}
        for node in phase.nodes
    }
    context.salt.prints, context.salt.after = dict(right), dict(right)
    return SimpleNamespace(context=context, phase=phase, hosts=hosts, salt=context.salt, right=right, told=told)


def run(lab: Any) -> Any:
    return phase_salt.run(lab.context, lab.phase)


def test_when_all_is_right_nobody_is_visited_and_nothing_changes(lab: Any) -> None:
    result = run(lab)
    assert set(result.changes) == set(lab.phase.nodes)
    assert sum(result.changes.values()) == 0
    assert lab.salt.synced == []
    # the admin node is looked at once, and its services are seen to; no other node hears of us over SSH
    assert set(lab.hosts.puts) | {node for node, _command in lab.hosts.ran} == {"admin-1"}


def test_who_is_not_sealed_is_told_with_what_all_stand_for(lab: Any) -> None:
    lab.salt.prints["agent-1"] = {**lab.right["agent-1"], "sealed": True}
    run(lab)
    ((nodes, token),) = lab.salt.asked
    assert nodes == list(lab.phase.nodes)
    assert token == lab.context.served
    assert lab.told == [[node for node in lab.phase.nodes if node != "agent-1"]]


def test_a_node_whose_services_hang_is_asked_for_itself_and_not_visited(lab: Any) -> None:
    lab.salt.hanging = ["agent-1"]
    run(lab)
    assert [nodes for nodes, *_token in lab.salt.asked] == [list(lab.phase.nodes), ["agent-1"]]
    assert "agent-1" not in lab.hosts.puts


def test_of_changed_minions_nothing_is_believed(lab: Any) -> None:
    lab.salt.prints["agent-1"] = {**lab.right["agent-1"], "loaded": "other"}
    run(lab)
    assert lab.told == []


def test_a_master_set_up_with_another_state_folder_is_left_alone(lab: Any) -> None:
    lab.hosts.inspected = lab.hosts.inspected.replace("== modes", f"{'0' * 64}  {salt_files.CA}\n== modes")
    with pytest.raises(SaltError, match="admin-1 was set up with another state folder"):
        run(lab)
    assert lab.hosts.puts == []


@pytest.mark.parametrize("field", ["loaded", "files"])
def test_only_the_node_that_is_not_right_is_visited(lab: Any, field: str) -> None:
    lab.salt.prints["agent-1"] = {**lab.right["agent-1"], field: "other"}
    result = run(lab)
    assert set(lab.hosts.puts) == {"admin-1", "agent-1"}
    assert result.changes["agent-1"] > 0
    assert result.changes["control-1"] == 0


def test_without_an_api_every_node_is_visited(lab: Any) -> None:
    lab.salt.up = False
    run(lab)
    assert set(lab.hosts.puts) == set(lab.phase.nodes)


def test_new_modules_are_synced_where_they_differ_without_a_visit(lab: Any) -> None:
    lab.salt.prints["agent-1"] = {**lab.right["agent-1"], "modules": "old"}
    result = run(lab)
    assert lab.salt.synced == ["agent-1"]
    assert result.changes["agent-1"] == 1
    assert "agent-1" not in lab.hosts.puts


def test_modules_that_stay_different_are_an_error(lab: Any) -> None:
    lab.salt.prints["agent-1"] = lab.salt.after["agent-1"] = {**lab.right["agent-1"], "modules": "old"}
    with pytest.raises(SaltError, match="not up to date on agent-1"):
        run(lab)


def test_a_minion_that_stays_silent_is_restarted_once_and_then_an_error_with_its_journal(lab: Any) -> None:
    del lab.salt.prints["agent-1"], lab.salt.after["agent-1"]
    with pytest.raises(SaltError, match="no Salt minion on agent-1") as caught:
        run(lab)
    assert "the minion says why" in caught.value.lines
    restarts = [node for node, command in lab.hosts.ran if command == "systemctl restart salt-minion"]
    assert restarts == ["agent-1"]


def test_an_api_that_hangs_is_restarted_once(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phase_salt, "_API_SECONDS", 0.4)
    restart = ("admin-1", "systemctl restart salt-master salt-api")

    def login() -> None:
        if restart not in lab.hosts.ran:
            raise SaltError("it takes the connection and says nothing")

    monkeypatch.setattr(lab.salt, "login", login)
    lab.salt.up = False
    assert run(lab).changes["admin-1"] > 0
    assert lab.hosts.ran.count(restart) == 1


def test_an_api_that_stays_away_is_an_error_with_its_journal(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phase_salt, "_API_SECONDS", 0.4)

    def login() -> None:
        raise SaltError("refused")

    monkeypatch.setattr(lab.salt, "login", login)
    lab.salt.up = False
    with pytest.raises(SaltError, match="API did not come up") as caught:
        run(lab)
    assert "the minion says why" in caught.value.lines


def test_salt_is_installed_where_it_is_missing(lab: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(b"archive")
    monkeypatch.setattr(salt_install.Installer, "_archive", lambda self: archive)
    lab.salt.prints["agent-1"] = None
    lab.hosts.missing_salt = {"agent-1"}
    run(lab)
    assert [node for node, command in lab.hosts.ran if "venv --without-pip" in command] == ["agent-1"]
    assert "agent-1" in lab.hosts.puts


def test_unreachable_nodes_are_named_together(lab: Any) -> None:
    lab.salt.prints = {}
    lab.hosts.down = {"control-1", "agent-1"}
    with pytest.raises(UnreachableError) as caught:
        run(lab)
    told = caught.value.where + " ".join(caught.value.lines)
    assert "control-1" in told
    assert "agent-1" in told


def test_unknown_keys_are_reported_and_left_alone(lab: Any) -> None:
    lab.hosts.inspected += "\n== unknown\nstranger"
    assert "stranger" in run(lab).notes[0]
    assert all("stranger" not in command for _node, command in lab.hosts.ran)


def test_a_removed_node_loses_its_access(lab: Any) -> None:
    lab.hosts.inspected += f"\n== tree\n{salt_files.ACCEPTED}/agent-9"
    assert run(lab).changes["admin-1"] == 1


def test_no_secret_is_in_a_command(lab: Any) -> None:
    lab.salt.up = False
    run(lab)
    values = [lab.context.secrets.value(name) for name in lab.context.secrets.names()]
    assert values
    commands = [*lab.hosts.scripts, *(command for _node, command in lab.hosts.ran)]
    assert commands
    assert not [command for command in commands if any(value in command for value in values)]
