"""First formation of an Elasticsearch cluster, restarts, templates and users; the contracts ask the real server."""

from __future__ import annotations

import base64
import hashlib

import pytest


class Connection:
    """Stands for http.client.HTTPSConnection; keeps how long it would have waited."""

    waited = ()

    def __init__(self, *_where, timeout, context):
        Connection.waited += (timeout,)

    def request(self, *_what):
        raise TimeoutError("The read operation timed out")

    def close(self):
        pass


def test_a_change_is_waited_for_as_long_as_the_server_itself_does(load, monkeypatch):
    pillar = {
        "node": {"address": "10.0.0.1"},
        "elasticsearch": {"port": 9200},
        "secrets": {"elasticsearch-operator": "s3cret"},
    }
    module = load("_modules/elasticsearch", pillar=pillar)
    monkeypatch.setattr(module.ssl, "create_default_context", lambda **_: None)
    monkeypatch.setattr(module.http.client, "HTTPSConnection", Connection)
    for method, more in (("GET", {}), ("PUT", {}), ("GET", {"timeout": 3})):
        with pytest.raises(TimeoutError):
            module.call(method, "/", **more)
    question, change, told = Connection.waited
    assert change > 60 > question  # 30 s until the master turns to it, 30 s until all members have it
    assert told == 3


MEMBERS = {"elasticsearch": {"members": {"control-2": "10.0.0.2", "control-1": "10.0.0.1"}}}
FORMING = "FORMING=-Ecluster.initial_master_nodes=control-1,control-2\n"


class Server:
    """Answers in turn, and remembers what was asked."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def call(self, method, path, body=None):
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
    ("mark", "mine", "others", "may"),
    [
        (False, "_na_", "_na_", True),
        (False, None, None, True),
        (True, "_na_", None, False),
        (False, "Xyz", None, False),
        (False, None, "Xyz", False),
        (True, None, None, False),
    ],
    ids=[
        "never formed",
        "nothing runs yet",
        "remembered",
        "runs in a cluster",
        "another does",
        "an empty member joins",
    ],
)
def test_may_form(load, monkeypatch, mark, mine, others, may):
    module = load("_modules/elasticsearch", salt={"znode.exists": lambda *_: mark}, pillar=MEMBERS)

    def call(*_args, address, **_more):
        uuid = mine if address == "10.0.0.1" else others
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


QUIET = dict.fromkeys(
    ("initializing_shards", "delayed_unassigned_shards", "number_of_in_flight_fetch", "number_of_pending_tasks"), 0
)
GREEN, YELLOW, RED = ({"status": status, **QUIET} for status in ("green", "yellow", "red"))
BUSY = {**YELLOW, "initializing_shards": 1}
FREE = {"persistent": {}}
HELD = {"persistent": {"cluster.routing.allocation.enable": "primaries"}}
SETTINGS = "settings?flat_settings=true"


@pytest.fixture
def restarting(load, monkeypatch, tmp_path):
    """The states of a member that is marked, with a server that answers as told: (state, server)."""

    def make(*health, before=FREE):
        server = Server(health=list(health), settings={}, _flush={}, **{SETTINGS: before})
        salt = {"elasticsearch.call": server.call, "states.step_aside": lambda: None, "states.step_back": lambda: None}
        state = load("_states/elasticsearch", salt=salt)
        (tmp_path / "elasticsearch").write_text("why\n")
        monkeypatch.setattr(state, "Path", lambda *parts: tmp_path.joinpath(*parts[1:]))
        monkeypatch.setattr(state.time, "sleep", lambda _: None)
        return state, server

    return make


def allowed(server):
    """What allocation was set to, in turn."""
    key = "cluster.routing.allocation.enable"
    return [body["persistent"][key] for method, _, body in server.asked if method == "PUT"]


@pytest.mark.parametrize("status", [YELLOW, RED], ids=["yellow", "red"])
def test_a_cluster_that_is_not_whole_is_not_restarted(restarting, status):
    state, server = restarting(*[status] * 9)
    answer = state.held("elasticsearch", 30)
    assert answer["result"] is False
    assert status["status"] in answer["comment"]
    assert "--restart-anyway elasticsearch" in answer["comment"]
    assert allowed(server) == []


@pytest.mark.parametrize("status", [YELLOW, RED], ids=["yellow", "red"])
def test_unless_told(restarting, status):
    state, server = restarting(*[status] * 20)
    assert state.held("elasticsearch", 30, anyway=True)["result"] is True
    assert state.released("elasticsearch", 30, anyway=True)["result"] is True
    assert allowed(server) == ["primaries", None]


def test_told_or_not_a_cluster_without_a_master_decides(restarting):
    state, _ = restarting(*[OSError("no master")] * 2)
    assert state.held("elasticsearch", 30)["result"] is False
    assert state.held("elasticsearch", 30, anyway=True)["result"] is True


def test_what_is_under_way_is_waited_for(restarting):
    state, server = restarting(*[BUSY] * 20, GREEN)
    assert state.held("elasticsearch", 30)["result"] is True
    assert allowed(server) == ["primaries"]


def test_a_roll_that_was_cut_short_first_gives_back_what_it_held(restarting):
    state, server = restarting(YELLOW, BUSY, GREEN, before=HELD)
    assert state.held("elasticsearch", 30)["result"] is True
    assert allowed(server) == [None, "primaries"]


def test_allocation_is_held_and_released(restarting):
    state, server = restarting(GREEN, YELLOW, GREEN)
    assert state.held("elasticsearch", 30)["result"] is True
    assert state.released("elasticsearch", 30)["result"] is True
    assert allowed(server) == ["primaries", None]
    assert [path for method, path, _ in server.asked if method == "POST"] == ["/_flush"]


def test_copies_that_do_not_come_back_end_the_roll(restarting):
    state, _ = restarting(*[YELLOW] * 9)
    answer = state.released("elasticsearch", -1)
    assert answer["result"] is False
    assert "still yellow" in answer["comment"]


def test_no_restart_nothing_held(load):
    state = load("_states/elasticsearch", salt={})
    assert state.held("nothing-of-this-name", 30)["changes"] == {}
    assert state.released("nothing-of-this-name", 30)["changes"] == {}


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


@pytest.mark.parametrize(
    ("kind", "found", "changes"),
    [
        ("", None, False),
        ("fs", None, True),
        ("fs", {"type": "fs", "uuid": "x", "settings": {"location": "/a", "chunk": "1"}}, False),
        ("fs", {"type": "fs", "settings": {"location": "/b", "chunk": "1"}}, True),
    ],
    ids=["none is wanted", "none yet", "as described, with what the server adds", "elsewhere"],
)
def test_repository(load, kind, found, changes):
    server = Server(utopia=found and {"utopia": found})
    state = load("_states/elasticsearch", salt={"elasticsearch.call": server.call})
    made = state.repository("utopia", kind, {"location": "/a", "chunk": 1})
    assert made["result"] is True
    assert bool(made["changes"]) is changes
    assert ("PUT" in [method for method, _, _ in server.asked]) is changes


def test_a_repository_that_a_member_cannot_write_to_is_told(load):
    server = Server(utopia=OSError("[control-2] is not accessible"))
    state = load("_states/elasticsearch", salt={"elasticsearch.call": server.call})
    made = state.repository("utopia", "fs", {})
    assert (made["result"], made["comment"]) == (False, "[control-2] is not accessible")


@pytest.mark.parametrize(
    ("health", "said"), [([GREEN], "green"), ([BUSY] * 9 + [GREEN], "green"), ([YELLOW] * 9, "yellow")]
)
def test_settled_waits_for_what_is_under_way_and_fails_nothing(restarting, health, said):
    state, server = restarting(*health)
    answer = state.settled("elasticsearch", 30)
    assert (answer["result"], answer["comment"], answer["changes"]) == (True, f"the cluster is {said}", {})
    assert allowed(server) == []
