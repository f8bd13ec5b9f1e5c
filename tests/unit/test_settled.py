"""When a dry run is believed: all nodes answered, and every state of every one of them holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap import paths, salt_files
from bootstrap.salt_api import Answers
from bootstrap.settled import settled

PLAN: Any = SimpleNamespace(node_pillar={"a-1": {}, "a-2": {}})
HOLDS = {"file_|-x_|-x_|-managed": {"result": True, "changes": {}, "comment": ""}}
CHANGES = {"file_|-x_|-x_|-managed": {"result": None, "changes": {"diff": "-"}, "comment": ""}}
WAITS = {"restart_|-x_|-zookeeper_|-pending": {"result": True, "changes": {}, "comment": "pending"}}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (Answers({"a-1": HOLDS, "a-2": HOLDS}), True),
        (Answers({"a-1": HOLDS, "a-2": CHANGES}), False),
        (Answers({"a-1": HOLDS, "a-2": WAITS}), False),
        (Answers({"a-1": HOLDS, "a-2": {}}), False),
        (Answers({"a-1": HOLDS, "a-2": ["another run is under way"]}), False),
        (Answers({"a-1": HOLDS}, silent=("a-2",)), False),
        (Answers({"a-1": HOLDS}, failed={"a-2": "no such function"}), False),
    ],
)
def test_settled(answers: Answers, expected: bool) -> None:
    asked = []

    def ask(nodes: list[str], function: str, sums: dict[str, str], *, timeout: float) -> Answers:
        asked.append((nodes, function, sums, timeout > 0))
        return answers

    salt: Any = SimpleNamespace(ask=ask)
    assert settled(PLAN, salt) is expected
    assert asked == [(["a-1", "a-2"], "dry_run.states", salt_files.state_sums(paths.SALT), True)]


def test_sums_are_those_of_what_the_master_serves() -> None:
    sums = salt_files.state_sums(paths.SALT)
    served = salt_files.states(paths.SALT)
    assert {f"{salt_files.STATES}/{path}" for path in sums} == served.keys()
    assert all(len(digest) == 64 for digest in sums.values())
