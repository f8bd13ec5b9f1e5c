"""What `status` says of an edge, from what HAProxy and the provider answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bootstrap import config
from bootstrap.health import View, ingress
from bootstrap.health.net import Answer, Login, UnansweredError

WELL = {
    "applied": True,
    "view_age_seconds": 12.4,
    "apps": 3,
    "rules": 2,
    "problems": 0,
    "last_error": None,
    "marathon": {"error": None},
    "zookeeper": {"enabled": True, "connected": True, "error": None},
}


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """(port, path) -> answer: what the edge of `local` is said to be."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    view = View(config.load("local"), logins={ingress.SECRET: Login("operator", "x")}, seconds=0.5)

    def run(answers: dict[tuple[int, str], Any]) -> tuple[str, str, str]:
        def get(_address: str, port: int, path: str, **_more: Any) -> Answer:
            found = answers.get((port, path), (404, ""))
            if isinstance(found, str):
                raise UnansweredError(found)
            return Answer(found[0], {}, found[1].encode())

        monkeypatch.setattr(ingress, "get", get)
        (health,) = ingress.check(view)
        return health.state, health.detail, health.next_step

    return run


def healthz(status: int = 200, **changes: Any) -> dict[tuple[int, str], Any]:
    return {(8000, "/healthz"): (status, json.dumps({**WELL, **changes}))}


def test_all_is_well(check) -> None:
    assert check(healthz())[:2] == ("ok", "3 applications, 2 rules; its view of Marathon is 12 s old")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"applied": False, "last_error": "not valid"}, "HAProxy does not run what is wanted (not valid)"),
        ({"view_age_seconds": 400.0, "marathon": {"error": "refused"}}, "400 s old; Marathon: refused"),
        ({"view_age_seconds": None}, "has not read Marathon yet"),
        ({"zookeeper": {"enabled": True, "connected": False, "error": "lost"}}, "ZooKeeper: lost"),
    ],
)
def test_what_is_wrong_is_told_with_its_journal(check, changes: dict[str, Any], words: str) -> None:
    state, detail, next_step = check(healthz(503, **changes))
    assert state == "degraded"
    assert words in detail
    assert next_step.endswith("-u utopia-router")


def test_a_wrong_rule_is_its_applications_affair_and_shown(check) -> None:
    state, detail, _ = check(healthz(problems=2))
    assert state == "ok"
    assert "2 rules or labels are wrong: see /api/problems" in detail


def test_haproxy_is_away(check) -> None:
    state, detail, next_step = check({(80, "/utopia-status"): "refuses connections", **healthz()})
    assert (state, detail) == ("failed", "HAProxy refuses connections")
    assert next_step.endswith("-u haproxy")


def test_the_provider_is_away(check) -> None:
    state, detail, _ = check({(8000, "/healthz"): "refuses connections"})
    assert (state, detail) == (
        "degraded",
        "HAProxy serves, but nobody tells it of changes: utopia-router refuses connections",
    )


def test_a_login_that_is_refused(check) -> None:
    assert "refuses the operator's login" in check({(8000, "/healthz"): (401, "")})[1]


def test_a_provider_that_only_says_that_it_runs(check) -> None:
    assert check({(8000, "/status"): (200, "OK")})[:2] == ("ok", "HAProxy serves, utopia-router runs")
    assert "answers 404 to /status" in check({})[1]
