"""The canary's line: written, looked for, found or not."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest

from bootstrap import canary
from bootstrap.errors import NotReadyError
from bootstrap.health.net import UnansweredError


class Index:
    """Has each line the second time it is asked for, and is away the very first time."""

    def __init__(self):
        self.asked = []

    def search(self, query, **_more):
        name = query["query"]["match_phrase"]["message"]
        self.asked.append(name)
        if len(self.asked) == 1:
            raise UnansweredError("away")
        moment = datetime.fromtimestamp(time.time() - 2, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
        hits = [{"_source": {"@timestamp": moment}}] if self.asked.count(name) > 1 else []
        return {"hits": {"hits": hits}}


def test_every_agent_has_a_line_of_its_own(monkeypatch):
    monkeypatch.setattr(canary, "PAUSE_SECONDS", 0)
    ran = {}
    index = Index()
    found = canary.show(ran.__setitem__, index, ["agent-1", "agent-2"], "utopia/task:1")
    assert set(found) == {"agent-1", "agent-2"}
    assert all(1 <= seconds < 4 for seconds in found.values())
    names = {re.search("echo canary (\\S+)", command)[1] for command in ran.values()}
    assert names == set(index.asked)
    assert re.fullmatch(r"the canary's line was found after \d\.\d s, from 2 agents", canary.note(found))


def test_a_line_that_is_lost(monkeypatch):
    monkeypatch.setattr(canary, "FOUND_SECONDS", 0)

    class Empty:
        def search(self, *_args, **_more):
            return {"hits": {"hits": []}}

    with pytest.raises(NotReadyError) as error:
        canary.show(lambda *_: None, Empty(), ["agent-1"], "image")
    assert error.value.where == "agent-1"
    assert "bootstrap status" in error.value.next_step


def test_what_is_kept_for_status(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    assert canary.kept("lab") is None
    canary.keep("lab", {"a": 1.5, "b": 0.5})
    at, seconds = canary.kept("lab")
    assert seconds == 1.5
    assert abs(at - time.time()) < 5
