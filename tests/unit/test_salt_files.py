"""What phase `salt` writes on nodes, and that a node counts it as the controlling side does."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap import file_tree, paths, salt_files
from bootstrap.salt_keys import KeyPair

_path = paths.SALT / "_modules" / "bootstrap.py"
_spec = importlib.util.spec_from_file_location("node_bootstrap", _path)
node_bootstrap = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(node_bootstrap)

PAIR = KeyPair(b"private", b"public")


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
