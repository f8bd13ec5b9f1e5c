"""The phase `salt`: what it writes, what it looks at, and whom it visits."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shlex
import stat
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from bootstrap import file_tree, paths, salt_files, salt_install, salt_keys, salt_master, units
from bootstrap.artifacts import Artifact
from bootstrap.errors import SaltError, UnreachableError
from bootstrap.hosts import Result
from bootstrap.phases import salt as phase_salt
from bootstrap.salt_keys import KeyPair

_path = paths.SALT / "_modules" / "bootstrap.py"
_spec = importlib.util.spec_from_file_location("node_bootstrap", _path)
node_bootstrap = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(node_bootstrap)

PAIR = KeyPair(b"private", b"public")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


# Files


def test_node_and_controlling_side_count_the_same_fingerprint(tmp_path: Path) -> None:
    files = {}
    for name, mode in (("a", 0o600), ("b", 0o644)):
        path = tmp_path / name
        path.write_bytes(name.encode())
        path.chmod(mode)
        files[str(path)] = (name.encode(), mode)
    assert node_bootstrap.files_hash(list(files)) == salt_files.files_hash(files)
    (tmp_path / "a").chmod(0o644)
    assert node_bootstrap.files_hash(list(files)) != salt_files.files_hash(files)
    (tmp_path / "a").unlink()
    assert node_bootstrap.files_hash(list(files)) != salt_files.files_hash(files)


def test_node_and_controlling_side_count_the_same_modules(tmp_path: Path) -> None:
    modules = salt_files.extensions(paths.SALT)
    assert "modules/bootstrap.py" in modules
    for name, content in modules.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "modules" / "__pycache__").mkdir()
    (tmp_path / "modules" / "__pycache__" / "bootstrap.cpython-311.pyc").write_bytes(b"x")
    assert node_bootstrap.modules_hash(tmp_path) == salt_files.extensions_hash(modules)
    (tmp_path / "modules" / "stale.py").write_text("")
    assert node_bootstrap.modules_hash(tmp_path) != salt_files.extensions_hash(modules)


def test_the_minion_knows_the_hash_of_its_files() -> None:
    files, mark = salt_files.minion("agent-1", PAIR, b"master", b"ca", master="10.0.0.1", nodes=3)
    known = yaml.safe_load(files["/etc/salt/minion.d/utopia.conf"][0])
    assert known["utopia_bootstrap_hash"] == mark
    listed = {path: files[path] for path in known["utopia_bootstrap_files"]}
    assert salt_files.files_hash(listed) == mark
    conf = yaml.safe_load(files["/etc/salt/minion"][0])
    assert (conf["id"], conf["master"], conf["ca_bundle"]) == ("agent-1", "10.0.0.1", "/etc/utopia/ca.crt")
    assert files["/etc/salt/pki/minion/minion_master.pub"][0] == b"master"


@pytest.mark.parametrize("change", [{"master": "10.0.0.2"}, {"nodes": 500}])
def test_another_configuration_is_another_hash(change: dict[str, Any]) -> None:
    values = {"master": "10.0.0.1", "nodes": 3}
    one = salt_files.minion("n", PAIR, b"m", b"ca", **values)[1]
    assert salt_files.minion("n", PAIR, b"m", b"ca", **{**values, **change})[1] != one


def test_the_master_accepts_nothing_on_sight_and_caches_no_pillar() -> None:
    files = salt_files.master("admin-1", PAIR, "s3cr3t", address="10.0.0.1", port=8000, nodes=7)
    conf = yaml.safe_load(files["/etc/salt/master"][0])
    assert conf["auto_accept"] is False
    assert conf["minion_data_cache"] is False
    assert conf["pillar_cache"] is False
    assert conf["rest_cherrypy"]["ssl_crt"]
    assert "disable_ssl" not in conf["rest_cherrypy"]
    assert conf["external_auth"]["file"]["^hashtype"] == "sha512"


def test_secrets_are_hashed_or_in_files_of_root_alone() -> None:
    files = {
        **salt_files.master("admin-1", PAIR, "s3cr3t", address="10.0.0.1", port=8000, nodes=7),
        **salt_files.pillar({"env": "e"}, {"n": {"secrets": {"a": "s3cr3t"}}}),
        **salt_files.tls((b"crt", b"private")),
        **salt_files.minion("n", PAIR, b"m", b"ca", master="10.0.0.1", nodes=3)[0],
    }
    holders = {path for path, (content, _mode) in files.items() if b"s3cr3t" in content or content == b"private"}
    assert f"{salt_files.PILLAR}/nodes/n.sls" in holders
    assert "/etc/salt/api-users" not in holders
    assert all(files[path][1] & 0o077 == 0 for path in {*holders, "/etc/salt/api-users"})
    assert all(mode & 0o077 == 0 for path, (_content, mode) in files.items() if path.startswith(salt_files.PILLAR))


def test_pillar_is_told_by_the_minions_id_not_by_a_grain() -> None:
    top = salt_files.pillar({}, {})[f"{salt_files.PILLAR}/top.sls"][0].decode()
    assert "opts['id']" in top
    assert "grains" not in top
    cluster = salt_files.pillar({"env": "e", "domain": "{{ x }}"}, {})[f"{salt_files.PILLAR}/cluster.sls"][0].decode()
    shebang, document = cluster.split("\n", 1)
    assert shebang == "#!json"  # no Jinja: what a person wrote into a setting is never rendered
    assert json.loads(document)["domain"] == "{{ x }}"


def test_served_states_are_sources_only(tmp_path: Path) -> None:
    for name in (
        "zookeeper/init.sls",
        "_modules/__pycache__/x.pyc",
        ".hidden/x",
        "zookeeper/.x.swp",
        "zookeeper/files/zoo.cfg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert set(salt_files.states(tmp_path)) == {
        f"{salt_files.STATES}/zookeeper/init.sls",
        f"{salt_files.STATES}/zookeeper/files/zoo.cfg",
    }


def test_every_path_can_be_sent() -> None:
    everything = {
        **salt_files.states(paths.SALT),
        **salt_files.pillar({}, {"agent-001": {}}),
        **salt_files.accepted_keys({"agent-001": PAIR}),
        **salt_files.master("admin-1", PAIR, "x", address="10.0.0.1", port=8000, nodes=7),
        **salt_files.minion("n", PAIR, b"m", b"ca", master="10.0.0.1", nodes=3)[0],
    }
    assert file_tree.pack(everything)


def test_keys_are_made_once_and_are_a_pair() -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    master, minions = salt_keys.ensure("e", ["a", "b"])
    assert salt_keys.ensure("e", ["a", "b"]) == (master, minions)
    assert len({master.private, minions["a"].private, minions["b"].private}) == 3
    assert load_pem_private_key(master.private, None).public_key() == load_pem_public_key(master.public)
    for path in (paths.state_dir("e") / "salt").rglob("*.p*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"PRIVATE" not in repr(master).encode()


# What the master serves


def inspect(root: Path, wanted: Mapping[str, Any]) -> salt_master.Found:
    script = salt_master.INSPECT
    for folder in (salt_files.STATES, salt_files.PILLAR, salt_files.ACCEPTED, salt_files.ARTIFACTS):
        script = script.replace(folder, f"{root}{folder}")
    done = subprocess.run(
        ["sh", "-c", script],
        input="\n".join(f"{root}{path}" for path in wanted),
        capture_output=True,
        text=True,
        check=True,
    )
    return salt_master.parse(done.stdout.replace(str(root), ""))


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, dict[str, tuple[bytes, int]]]:
    files = {
        f"{salt_files.STATES}/a.sls": (b"a", 0o644),
        f"{salt_files.PILLAR}/": (b"", 0o700),
        f"{salt_files.PILLAR}/cluster.sls": (b"c", 0o600),
        f"{salt_files.ACCEPTED}/agent-1": (b"k", 0o644),
    }
    for path, (content, mode) in files.items():
        target = Path(f"{tmp_path}{path}")
        if path.endswith("/"):
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        target.chmod(mode)
    return tmp_path, files


def test_what_is_right_makes_no_difference(tree: Any) -> None:
    root, files = tree
    assert not salt_master.difference(files, inspect(root, files))


def test_an_empty_master_needs_everything(tmp_path: Path, tree: Any) -> None:
    files = tree[1]
    found = inspect(tmp_path / "nothing", files)
    assert salt_master.difference(files, found).files == files


@pytest.mark.parametrize("harm", ["content", "mode", "gone", "folder mode"])
def test_a_difference_is_put_right(tree: Any, harm: str) -> None:
    root, files = tree
    path = Path(f"{root}{salt_files.PILLAR}/cluster.sls")
    if harm == "content":
        path.write_bytes(b"d")
    elif harm == "mode":
        path.chmod(0o644)
    elif harm == "gone":
        path.unlink()
    else:
        path.parent.chmod(0o755)
    differing = salt_master.difference(files, inspect(root, files))
    expected = f"{salt_files.PILLAR}/" if harm == "folder mode" else f"{salt_files.PILLAR}/cluster.sls"
    assert list(differing.files) == [expected]
    assert differing.remove == ()


def test_the_key_of_a_node_that_left_is_removed_and_an_unknown_one_is_told(tree: Any) -> None:
    root, files = tree
    Path(f"{root}{salt_files.ACCEPTED}/agent-2").write_text("old")
    pending = Path(f"{root}{salt_files.ACCEPTED}_pre")
    pending.mkdir()
    (pending / "stranger").write_text("x")
    found = inspect(root, files)
    assert salt_master.difference(files, found).remove == (f"{salt_files.ACCEPTED}/agent-2",)
    assert found.unknown == ("stranger",)


def artifact(tmp_path: Path, content: bytes = b"deb") -> Artifact:
    path = tmp_path / "blob"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Artifact("mesos", "1", "mesos_1.deb", sha256, len(content), "", None, path)


def test_artifacts_are_sent_named_and_stale_ones_removed(tmp_path: Path) -> None:
    wanted = artifact(tmp_path)
    empty = salt_master.parse("")
    assert salt_master.missing([wanted], empty) == [wanted]
    there = {
        salt_master.served(wanted): str(wanted.size),
        f"{salt_files.ARTIFACTS}/mesos_1.deb": f"sha256/{wanted.sha256}",
    }
    found = salt_master.Found({}, {}, frozenset(), there, ())
    assert salt_master.missing([wanted], found) == []
    assert salt_master.link_names([wanted], found) == ""
    stale = salt_master.Found({}, {}, frozenset(), {**there, f"{salt_files.ARTIFACTS}/mesos_0.deb": "sha256/old"}, ())
    assert salt_master.link_names([wanted], stale) == f"rm -f -- '{salt_files.ARTIFACTS}/mesos_0.deb'"


def test_an_artifact_half_sent_is_sent_again(tmp_path: Path) -> None:
    wanted = artifact(tmp_path)
    found = salt_master.Found({}, {}, frozenset(), {salt_master.served(wanted): "1"}, ())
    assert salt_master.missing([wanted], found) == [wanted]


# Services


@pytest.fixture
def systemctl(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "calls"
    log.touch()
    (folder / "systemctl").write_text(
        f'#!/bin/sh\necho "$*" >>{log}\n[ "$1" = is-active ] && {{ [ -e {tmp_path}/active ]; exit; }}\n'
        f'[ "$1" = restart ] && touch {tmp_path}/active\nexit 0\n'
    )
    (folder / "systemctl").chmod(0o755)
    return log, {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def ensure(tmp_path: Path, environment: dict[str, str], services: Mapping[str, str]) -> tuple[str, ...]:
    script = units.ensure(services).replace("/run/utopia", f"{tmp_path}/run")
    done = subprocess.run(["sh", "-euc", script], env=environment, capture_output=True, text=True, check=True)
    return units.started_of(done.stdout)


def test_a_service_is_started_once_and_again_for_other_files_or_when_it_is_down(tmp_path: Path, systemctl: Any) -> None:
    log, environment = systemctl
    assert ensure(tmp_path, environment, {"salt-minion": "h1"}) == ("salt-minion",)
    assert "enable --quiet salt-minion" in log.read_text()
    assert ensure(tmp_path, environment, {"salt-minion": "h1"}) == ()
    assert ensure(tmp_path, environment, {"salt-minion": "h2"}) == ("salt-minion",)
    (tmp_path / "active").unlink()
    assert ensure(tmp_path, environment, {"salt-minion": "h2"}) == ("salt-minion",)


def test_only_the_service_whose_files_changed(tmp_path: Path, systemctl: Any) -> None:
    log, environment = systemctl
    assert ensure(tmp_path, environment, {"salt-master": "m", "salt-api": "a"}) == ("salt-master", "salt-api")
    log.write_text("")
    assert ensure(tmp_path, environment, {"salt-master": "m", "salt-api": "b"}) == ("salt-api",)
    assert "restart salt-api" in log.read_text()
    assert "restart salt-master" not in log.read_text()


# The phase: whom it visits


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


def test_the_check_for_salt_is_shell(tmp_path: Path) -> None:
    done = subprocess.run(["sh", "-c", salt_install.check()], check=False)
    assert done.returncode in {0, salt_install.NEEDED}
    assert shlex.split(salt_install.check())


def test_the_archive_of_salt_names_the_path_of_the_node_alone(tmp_path: Path) -> None:
    venv = tmp_path / "cache" / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "lib/python3.11/site-packages/salt").mkdir(parents=True)
    (venv / "lib/python3.11/site-packages/salt/client.py").write_text("")
    (venv / ".stamp").write_text("key\n")
    for name in ("salt-call", "python", "activate"):
        (venv / "bin" / name).write_text(f"#!{venv}/bin/python\n")
    salt_install.pack(venv, tmp_path / "archive")
    with tarfile.open(tmp_path / "archive") as archive:
        names = {member.name: member for member in archive.getmembers()}
        assert archive.extractfile("bin/salt-call").read() == b"#!/opt/saltstack/salt/bin/python\n"
    assert {"stamp", "lib/python3.11/site-packages/salt/client.py"} < set(names)
    assert not {"bin/python", "bin/activate"} & set(names)
    assert {(member.uid, member.gid) for member in names.values()} == {(0, 0)}
