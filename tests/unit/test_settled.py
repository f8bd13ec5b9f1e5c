"""When a run is believed to have nothing to do: all nodes are sealed, or answer a dry run in which all states hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap import paths, salt_files, settled
from bootstrap.phases import seal
from bootstrap.salt_api import Answers

HOLDS = {"file_|-x_|-x_|-managed": {"result": True, "changes": {}, "comment": ""}}
CHANGES = {"file_|-write x_|-x_|-managed": {"result": None, "changes": {"diff": "-"}, "comment": "it differs"}}
UNSEALED = {**HOLDS, "unsealed": "nobody knows what mount.mounted look at"}
WAITS = {"restart_|-say x_|-zookeeper_|-pending": {"result": True, "changes": {}, "comment": "pending"}}
SUMS = salt_files.state_sums(paths.SALT)


class Salt:
    """Gives these answers, and keeps what was asked."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    def ask(self, nodes: list[str], *question: Any, timeout: float) -> Answers:
        assert timeout > 0
        self.asked.append((nodes, *question))
        return self.answers


CASES = [
    (Answers({"a-1": HOLDS, "a-2": HOLDS}), {}),
    (Answers({"a-1": HOLDS, "a-2": UNSEALED}), {}),
    (Answers({"a-1": HOLDS, "a-2": CHANGES}), {"a-2": ["write x: it differs"]}),
    (Answers({"a-1": HOLDS, "a-2": WAITS}), {"a-2": ["say x: pending"]}),
    (Answers({"a-1": HOLDS, "a-2": {}}), {"a-2": ["the dry run gave no answer"]}),
    (Answers({"a-1": HOLDS, "a-2": ["another run is under way"]}), {"a-2": ["another run is under way"]}),
    (Answers({"a-1": HOLDS}, silent=("a-2",)), {"a-2": ["the dry run gave no answer"]}),
    (Answers({"a-1": HOLDS}, failed={"a-2": "no such function"}), {"a-2": ["the dry run gave no answer"]}),
]


@pytest.mark.parametrize(("answers", "found"), CASES)
def test_a_dry_run_is_believed_when_all_holds_everywhere(answers: Answers, found: dict[str, list[str]]) -> None:
    salt: Any = Salt(answers)
    assert settled.settled(["a-1", "a-2"], salt, "token") is not bool(found)
    assert salt.asked == [(["a-1", "a-2"], "dry_run.states", SUMS, "token")]


@pytest.mark.parametrize(("answers", "found"), CASES)
def test_what_a_dry_run_finds_is_told(answers: Answers, found: dict[str, list[str]]) -> None:
    salt: Any = Salt(answers)
    assert settled.seal(["a-1", "a-2"], salt, "token").moving == found


def test_sealed_nodes_need_no_dry_run() -> None:
    salt: Any = Salt(Answers({}))
    assert settled.settled([], salt, "token")
    assert salt.asked == []


def test_many_nodes_are_asked_in_portions() -> None:
    nodes = [f"a-{number}" for number in range(450)]
    salt: Any = Salt(Answers(dict.fromkeys(nodes, HOLDS)))
    assert settled.settled(nodes, salt, "token")
    assert [len(asked[0]) for asked in salt.asked] == [200, 200, 50]


@pytest.mark.parametrize(
    ("is_settled", "served", "asked"), [(False, "token", True), (True, "token", False), (False, "", False)]
)
def test_the_phase_seals_what_a_run_has_touched(is_settled: bool, served: str, asked: bool) -> None:
    salt = Salt(Answers({"a-1": HOLDS, "a-2": CHANGES, "a-3": UNSEALED}))
    context: Any = SimpleNamespace(settled=is_settled, served=served, salt=salt)
    phase: Any = SimpleNamespace(nodes=("a-1", "a-2", "a-3"))
    notes = (
        "a second run would not find a-2 as it is wanted: write x: it differs",
        "a-3 has no seal, so runs take longer: nobody knows what mount.mounted look at",
    )
    assert seal.run(context, phase).notes == (notes if asked else ())
    assert seal.run(context, phase).changes == {}
    assert bool(salt.asked) is asked


def test_sums_are_those_of_what_the_master_serves() -> None:
    served = salt_files.states(paths.SALT)
    assert {f"{salt_files.STATES}/{path}" for path in SUMS} == served.keys()
    assert all(len(digest) == 64 for digest in SUMS.values())
