"""Seals: set by a run that was witnessed and in which nothing moved, broken by whatever is not as it was."""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

UNITS = {
    "zookeeper": {
        "Id": "zookeeper",
        "ActiveState": "active",
        "Enabled": "enabled",
        "StateChangeTimestampMonotonic": "1",
    }
}
UNKEPT = "a question had no answer that can be kept"
READY = {"ready": True, "mode": "follower", "detail": "3 of 3"}


class Node:
    """A node with a configuration file, a folder, a service and what is asked of it."""

    def __init__(self, load: Any, folder: Any) -> None:
        self.units: dict[str, dict[str, str]] = json.loads(json.dumps(UNITS))
        self.answers: dict[str, Any] = {}
        self.refreshed = 0
        self.config = folder / "zoo.cfg"
        self.config.write_text("tickTime=1\n")
        self.data = folder / "data"
        self.data.mkdir()
        self.module = load("_modules/seal")
        self.functions = Functions(self)
        self.module.__salt__ = self.functions
        self.module.__opts__ = {"cachedir": str(folder), "pillar": {"node": 1}}
        self.file = folder / self.module.FILE
        self.high = {
            "write it": {"file": [{"name": str(self.config)}, {"source": "salt://x"}, "managed"], "__sls__": "x"},
            "make a folder": {"file": [{"name": str(self.data)}, "directory"]},
            "run it": {"service": [{"name": "zookeeper"}, "running"]},
            "wait for it": {"readiness": [{"name": "zookeeper"}, "wait"]},
        }

    def checked(self, token: str = "t", pillar: Any = None, meanwhile: Any = lambda: None) -> str:
        """A dry run in which every state holds: "" when the node is sealed, else why not."""
        witness = self.module.witness(self.functions)
        witness.before(self.high, self.units)
        self.functions["readiness.probe"]("zookeeper")
        meanwhile()
        return witness.seal(token, {"node": 1} if pillar is None else pillar)


class Functions(dict):
    """Execution functions as Salt loads them: a mapping, with what was loaded in `_dict`."""

    def __init__(self, node: Node) -> None:
        def answer(name: str) -> Any:
            return lambda *args, **kwargs: node.answers.get(name, READY if name == "readiness.probe" else None)

        super().__init__({name: answer(name) for name in node.module.ASKED})
        self["units.ask"] = lambda names: {name: node.units[name] for name in names}
        self["saltutil.refresh_pillar"] = lambda wait: setattr(node, "refreshed", node.refreshed + 1)

    @property
    def _dict(self) -> Functions:
        return self


@pytest.fixture
def node(load, tmp_path):
    return Node(load, tmp_path)


def test_a_sealed_node_stays_so_while_nothing_moves(node):
    assert node.checked() == ""
    assert node.module.intact("t")
    assert node.file.stat().st_mode & 0o777 == 0o600
    assert node.refreshed == 0


def written(node):
    time.sleep(0.01)  # the file system's clock ticks in milliseconds
    node.config.write_text("tickTime=2\n")


def written_with_old_times(node):
    times = node.config.stat()
    written(node)
    os.utime(node.config, ns=(times.st_atime_ns, times.st_mtime_ns))


BREAKS = {
    "a file is written": written,
    "a file is written and given its old times": written_with_old_times,
    "a file is given another mode": lambda node: node.config.chmod(0o600),
    "a file is removed": lambda node: node.config.unlink(),
    "a folder is given another mode": lambda node: node.data.chmod(0o700),
    "a folder becomes a file": lambda node: (node.data.rmdir(), node.data.write_text("")),
    "a service has stopped": lambda node: node.units["zookeeper"].update(ActiveState="inactive"),
    "a service will not be there at the next boot": lambda node: node.units["zookeeper"].update(Enabled="disabled"),
    "a service is not ready": lambda node: node.answers.update({"readiness.probe": {**READY, "ready": False}}),
    "a service has become the leader": lambda node: node.answers.update(
        {"readiness.probe": {**READY, "mode": "leader"}}
    ),
    "the clock was set back": lambda node: rewritten(node, made=time.time() + 60),
    "a day has gone by": lambda node: rewritten(node, made=time.time() - node.module.GOOD_FOR - 1),
    "the seal is cut short": lambda node: node.file.write_text(node.file.read_text()[:-9]),
    "the seal is gone": lambda node: node.file.unlink(),
}


def rewritten(node, **changes):
    node.file.write_text(json.dumps(json.loads(node.file.read_text()) | changes))


@pytest.mark.parametrize("happens", BREAKS.values(), ids=BREAKS.keys())
def test_whatever_a_state_looks_at_breaks_it(node, happens):
    assert node.checked() == ""
    happens(node)
    assert node.module.intact("t") is False


UNINTERESTING = {
    "a folder has a new entry": lambda node: (node.data / "x").write_text(""),
    "numbers of a probe": lambda node: node.answers.update({"readiness.probe": {**READY, "detail": "2 of 2"}}),
    "a reload, where no state asks when": lambda node: node.units["zookeeper"].update(
        StateChangeTimestampMonotonic="2"
    ),
}


@pytest.mark.parametrize("happens", UNINTERESTING.values(), ids=UNINTERESTING.keys())
def test_what_no_state_looks_at_does_not(node, happens):
    assert node.checked() == ""
    happens(node)
    assert node.module.intact("t")


def test_times_of_a_unit_count_where_a_restart_hangs_on_them(node):
    node.high["mark it"] = {"restart": [{"name": "zookeeper"}, {"files": [str(node.config)]}, "marked"]}
    assert node.checked() == ""
    node.units["zookeeper"]["StateChangeTimestampMonotonic"] = "2"
    assert node.module.intact("t") is False


@pytest.mark.parametrize("token", ["", "other"])
def test_other_states_or_another_pillar_are_another_matter(node, token):
    assert node.checked() == ""
    assert node.module.intact(token) is False


def test_without_a_token_nothing_is_sealed(node):
    assert node.checked(token="") == "nothing stands for the files and the pillar"
    assert not node.file.exists()


def test_what_moved_during_the_run_is_no_ground_for_a_seal(node):
    assert node.checked() == ""
    assert node.checked(meanwhile=lambda: written(node)) == f"{node.config} changed meanwhile"
    assert not node.file.exists()  # nor is the seal of before


UNKNOWN = {
    "a kind of state": {"mount": [{"name": "/mnt"}, "mounted"]},
    "a function": {"file": [{"name": "/x"}, "recurse"]},
    "a command in every run": {"cmd": [{"name": "true"}, "run"]},
    "a condition": {"file": [{"name": "/x"}, {"onlyif": "true"}, "managed"]},
    "a folder with all in it": {"file": [{"name": "/x"}, {"clean": True}, "directory"]},
}


@pytest.mark.parametrize("body", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_state_that_looks_elsewhere_leaves_its_node_without_a_seal(node, body):
    node.high["strange"] = body
    ((kind, lines),) = body.items()
    assert node.checked() == f"nobody knows what {kind}.{lines[-1]} look at"


@pytest.mark.parametrize(
    "body",
    [
        {"cmd": [{"name": "true"}, {"onchanges": [{"file": "x"}]}, "run"]},
        {"file": [{"name": "/x"}, {"check_cmd": "nginx -t"}, "managed"]},  # asked of a new content alone
    ],
)
def test_what_only_a_change_calls_for_is_no_hindrance(node, body):
    node.high["harmless"] = body
    assert node.checked() == ""


def test_a_run_that_was_not_witnessed_is_no_ground_for_a_seal(node):
    node.high["wait for another"] = {"readiness": [{"name": "docker"}, "wait"]}
    assert node.checked() == "nobody saw docker being asked"


def test_two_answers_to_one_question_are_no_ground_for_a_seal(node):
    def again():
        node.answers["readiness.probe"] = {**READY, "ready": False}
        node.functions["readiness.probe"]("zookeeper")

    assert node.checked(meanwhile=again) == "readiness.probe gave two answers to one question"


def test_only_the_outermost_question_is_asked_again(node):
    asked = []
    node.functions["znode.exists"] = asked.append
    node.functions["elasticsearch.may_form"] = lambda: node.functions["znode.exists"]("/formed")

    def may_form():
        node.functions["elasticsearch.may_form"]()

    assert node.checked(meanwhile=may_form) == ""
    kept = [answer[0] for answer in json.loads(node.file.read_text())["answers"]]
    assert kept == ["readiness.probe", "elasticsearch.may_form"]


def test_a_pillar_that_the_minion_does_not_know_yet_is_made_known(node):
    assert node.checked(pillar={"node": 2}) == ""
    assert node.refreshed == 1


def test_no_answer_itself_is_kept(node):
    node.answers["znode.acl"] = [[31, "digest", "user:NOBODYS-BUSINESS"]]
    assert node.checked(meanwhile=lambda: node.functions["znode.acl"]("/mesos")) == ""
    assert "BUSINESS" not in node.file.read_text()


def test_a_question_that_fails_breaks_the_seal(node):
    assert node.checked() == ""
    node.functions["readiness.probe"] = lambda _name: SimpleNamespace()
    assert node.module.intact("t") is False


def test_an_answer_that_cannot_be_kept_leaves_the_node_without_a_seal(node):
    node.answers["znode.acl"] = [(31, b"digest")]
    assert node.checked(meanwhile=lambda: node.functions["znode.acl"]("/mesos")) == UNKEPT


def test_a_question_that_failed_leaves_the_node_without_a_seal(node):
    def fails():
        with pytest.raises(OSError, match="down"):
            node.functions["znode.exists"]("/mesos")

    def down(_path):
        raise OSError("down")

    node.functions["znode.exists"] = down
    assert node.checked(meanwhile=fails) == UNKEPT
