"""What `status` makes of what the index has of each node."""

from __future__ import annotations

import pytest

from bootstrap import canary, config, log_index, paths
from bootstrap.health import View, logs
from bootstrap.health.logs import Seen
from bootstrap.health.net import Login, UnansweredError


@pytest.fixture
def view(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    (paths.state_dir("small") / "ca").mkdir(parents=True)
    (paths.state_dir("small") / "ca" / "ca.crt").write_text("CERTIFICATE\n")
    return View(config.load("small"), logins={log_index.SECRET: Login("operator", "s3cret")})


def found(view, monkeypatch, **seen):
    nodes = {node.name: Seen(3) for node in view.cluster.nodes} | {
        name.replace("_", "-"): s for name, s in seen.items()
    }
    monkeypatch.setattr(logs, "ask", lambda *_args, **_more: {name: s for name, s in nodes.items() if s})
    return {health.node: health for health in logs.check(view)}


@pytest.mark.parametrize(
    ("seen", "state", "detail"),
    [
        (Seen(3.4), "ok", "newest line 3 s old"),
        (Seen(3.4, waiting=7), "ok", "newest line 3 s old, 7 wait to be shipped"),
        (Seen(200), "degraded", "newest line 200 s old"),
        (
            Seen(3, lost=5, refused=1),
            "degraded",
            "newest line 3 s old; 5 lines were lost and 1 refused",
        ),
        (None, "failed", "no line of it was ever found"),
    ],
)
def test_a_node(view, monkeypatch, seen, state, detail):
    health = found(view, monkeypatch, agent_1=seen)["agent-1"]
    assert (health.state, health.detail) == (state, detail)
    assert bool(health.next_step) == health.wrong


def test_the_last_canary_is_told(view, monkeypatch):
    assert "no canary" in found(view, monkeypatch)[""].detail
    canary.keep("small", {"agent-1": 0.7, "agent-2": 1.25})
    assert found(view, monkeypatch)[""].detail == "the last canary, 0 min ago, was found after 1.2 s"


def test_an_index_that_is_away(view, monkeypatch):
    def away(*_args, **_more):
        raise UnansweredError("10.0.0.1 refuses connections")

    monkeypatch.setattr(logs, "ask", away)
    (health,) = logs.check(view)
    assert (health.state, health.detail) == ("failed", "the index cannot be asked: 10.0.0.1 refuses connections")


def test_before_the_environment_is_made(view):
    (health,) = logs.check(View(view.cluster))
    assert health.state == "failed"


def test_the_answer_of_the_index():
    bucket = {
        "key": "agent-1",
        "newest": {"value": 0.0},
        "reports": {"last": {"hits": {"hits": [{"_source": {"json": {"waiting": 2, "lost": 1, "refused": 0}}}]}}},
    }

    class Index:
        def search(self, _query, *, seconds):
            return {"aggregations": {"nodes": {"buckets": [bucket]}}}

    seen = logs.ask(Index(), seconds=1)["agent-1"]
    assert (seen.waiting, seen.lost, seen.refused) == (2, 1, 0)
    assert seen.age > 1e9
