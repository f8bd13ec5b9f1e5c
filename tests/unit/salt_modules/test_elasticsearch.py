"""First formation of an Elasticsearch cluster, restarts, templates and users; the contracts ask the real server."""

from __future__ import annotations

import base64
import hashlib

import pytest

MEMBERS = {"elasticsearch": {"members": {"control-2": "10.0.0.2", "control-1": "10.0.0.1"}}}
FORMING = "FORMING=-Ecluster.initial_master_nodes=control-1,control-2\n"


class Server:
    """Answers in turn, and remembers what was asked."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def call(self, method, path, body=None, timeout=10):
        self.asked.append((method, path, body))
        found = self.answers.get(path.strip("/").split("/")[-1])
        answer = found.pop(0) if isinstance(found, list) else found
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_password_hash_is_what_the_server_checks(load):
    module = load("_modules/elasticsearch", pillar={"secrets": {"elasticsearch-reader": "s3cret"}})
    kind, rounds, salt, digest = module.password_hash("reader", "elasticsearch-reader").replace("}", "}$", 1).split("$")
    assert (kind, rounds) == ("{PBKDF2}", "10000")
    made = hashlib.pbkdf2_hmac("sha512", b"s3cret", base64.b64decode(salt), 10000, 32)
    assert base64.b64decode(digest) == made
    assert module.password_hash("other", "elasticsearch-reader") != module.password_hash(
        "reader", "elasticsearch-reader"
    )


@pytest.mark.parametrize(
    ("mark", "uuid", "may"),
    [(False, "_na_", True), (False, None, True), (True, "_na_", False), (False, "Xyz", False), (True, None, False)],
    ids=["never formed", "nothing runs yet", "remembered", "runs in a cluster", "an empty member joins"],
)
def test_may_form(load, monkeypatch, mark, uuid, may):
    module = load("_modules/elasticsearch", salt={"znode.exists": lambda *_: mark})

    def call(*_args, **_more):
        if uuid is None:
            raise ConnectionRefusedError("refused")
        return {"cluster_uuid": uuid}

    monkeypatch.setattr(module, "call", call)
    assert module.may_form() is may


@pytest.mark.parametrize(
    ("found", "may", "left", "changes"),
    [
        ("", True, FORMING, True),
        (FORMING, True, FORMING, False),
        (FORMING, False, "", True),
        ("", False, "", False),
    ],
)
def test_forming(load, tmp_path, found, may, left, changes):
    path = tmp_path / "forming"
    if found:
        path.write_text(found)
    state = load("_states/elasticsearch", salt={"elasticsearch.may_form": lambda: may}, pillar=MEMBERS)
    answer = state.forming(str(path))
    assert answer["result"] is True
    assert bool(answer["changes"]) is changes
    assert (path.read_text() if path.exists() else "") == left


def test_forming_without_zookeeper_fails_and_forms_nothing(load, tmp_path):
    def away():
        raise OSError("no server answers")

    state = load("_states/elasticsearch", salt={"elasticsearch.may_form": away}, pillar=MEMBERS)
    answer = state.forming(str(tmp_path / "forming"))
    assert answer["result"] is False
    assert "no server answers" in answer["comment"]
    assert not (tmp_path / "forming").exists()


def test_formed_is_remembered_before_the_permission_goes(load, tmp_path):
    path = tmp_path / "forming"
    path.write_text(FORMING)
    kept = []
    state = load("_states/elasticsearch", salt={"znode.protect": lambda *args: kept.append((args, path.exists()))})
    assert state.formed(str(path))["changes"]
    assert kept == [(("/elasticsearch-formed", "elasticsearch", "zookeeper-elasticsearch"), True)]
    assert not path.exists()
    assert state.formed(str(path))["changes"] == {}


def marked(state, monkeypatch, tmp_path):
    (tmp_path / "elasticsearch").write_text("why\n")
    monkeypatch.setattr(state, "Path", lambda *parts: tmp_path.joinpath(*parts[1:]) if parts[1:] else tmp_path)


def test_a_cluster_that_is_not_whole_is_not_restarted(load, monkeypatch, tmp_path):
    server = Server(health={"status": "yellow"})
    state = load("_states/elasticsearch", salt={"elasticsearch.call": server.call})
    marked(state, monkeypatch, tmp_path)
    answer = state.allocation("primaries", "elasticsearch")
    assert answer["result"] is False
    assert "yellow" in answer["comment"]
    assert [method for method, _, _ in server.asked] == ["GET"]


def test_allocation_is_held_and_released(load, monkeypatch, tmp_path):
    server = Server(health=[{"status": "green"}, {"status": "yellow"}, {"status": "green"}], settings={}, _flush={})
    state = load("_states/elasticsearch", salt={"elasticsearch.call": server.call})
    marked(state, monkeypatch, tmp_path)
    monkeypatch.setattr(state.time, "sleep", lambda _: None)
    assert state.allocation("primaries", "elasticsearch")["result"] is True
    assert state.allocation("all", "elasticsearch", wait_green=30)["result"] is True
    key = "cluster.routing.allocation.enable"
    settings = [body["persistent"][key] for method, path, body in server.asked if path == "/_cluster/settings"]
    assert settings == ["primaries", None]


def test_no_restart_no_allocation(load):
    state = load("_states/elasticsearch", salt={})
    assert state.allocation("primaries", "nothing-of-this-name")["changes"] == {}


@pytest.mark.parametrize(
    ("found", "changes"),
    [
        (None, True),
        ({"index_patterns": ["a-*"], "priority": 1, "composed_of": []}, False),
        ({"index_patterns": ["b-*"], "priority": 1}, True),
    ],
    ids=["none yet", "as described, with the server's own keys", "another"],
)
def test_template(load, tmp_path, found, changes):
    source = tmp_path / "template.json"
    source.write_text('{"index_patterns": ["a-*"], "priority": 1}')
    answer = found and {"index_templates": [{"name": "a", "index_template": found}]}
    server = Server(a=answer)
    functions = {"elasticsearch.call": server.call, "cp.get_template": lambda *_args, **_more: str(source)}
    state = load("_states/elasticsearch", salt=functions)
    made = state.template("a", "salt://x", {})
    assert made["result"] is True
    assert bool(made["changes"]) is changes
    assert ("PUT" in [method for method, _, _ in server.asked]) is changes
