"""What `status` says of Marathon, from what its instances answer."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bootstrap import config
from bootstrap.health import View, exits, marathon, mesos
from bootstrap.health.net import Login, UnansweredError

LEADER, STANDBY, THIRD = "172.30.10.11", "172.30.10.12", "172.30.10.13"
NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> View:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    return View(config.load("local"), logins={marathon.SECRET: Login("operator", "never-to-be-seen")}, seconds=0.5)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Path, or (address, path), -> answer; a text is the reason for none."""
    known: dict[Any, Any] = {
        "/v2/leader": {"leader": f"{LEADER}:8080"},
        "/v2/info": {"frameworkId": "f-1"},
        "/v2/apps?embed=apps.counts": {"apps": [{"tasksRunning": 3, "tasksUnhealthy": 1}, {"tasksRunning": 1}]},
        "/v2/deployments": [],
    }

    def read(address: str, _port: int, path: str, _login: Login, *, seconds: float) -> Any:
        found = known.get((address, path), known[path])
        if isinstance(found, str):
            raise UnansweredError(found)
        return found

    monkeypatch.setattr(marathon, "read", read)
    monkeypatch.setattr(exits, "last", lambda *_args: 108)
    return known


def told(view: View) -> list[tuple[str, str, str]]:
    return [(found.node, found.state, found.detail) for found in marathon.check(view)]


def test_all_is_well(view: View, answers: dict[str, Any]) -> None:
    assert told(view) == [
        ("control-1", "ok", "leader"),
        ("control-2", "ok", "standby"),
        ("control-3", "ok", "standby"),
        ("", "ok", "leader control-1, 3 of 3 instances answer; 2 applications, 4 tasks, 0 deployments, 1 unhealthy"),
    ]


def test_one_that_ended_is_explained(view: View, answers: dict[str, Any]) -> None:
    answers[STANDBY, "/v2/leader"] = "refuses connections"
    found = {node: (state, detail) for node, state, detail in told(view)}
    assert found["control-2"][0] == "failed"
    assert "ended with status 108: ZooKeeper has instances but no framework id" in found["control-2"][1]
    assert found[""][0] == "degraded"
    assert "2 of 3 instances answer" in found[""][1]


def test_nobody_leads(view: View, answers: dict[str, Any]) -> None:
    answers["/v2/leader"] = {"leader": None}
    assert ("", "failed", "no leader (3 of 3 instances answer)") in told(view)


def test_two_lead(view: View, answers: dict[str, Any]) -> None:
    answers[STANDBY, "/v2/leader"] = {"leader": f"{STANDBY}:8080"}
    assert ("", "failed", f"more than one leader: {LEADER}:8080, {STANDBY}:8080") in told(view)


def test_a_leader_of_another_cluster(view: View, answers: dict[str, Any]) -> None:
    answers["/v2/leader"] = {"leader": "10.9.9.9:8080"}
    assert ("", "failed", "10.9.9.9:8080 leads, which is in no file") in told(view)


def test_mesos_does_not_know_it(view: View, answers: dict[str, Any]) -> None:
    answers["/v2/info"] = {"frameworkId": None}
    assert ("", "failed", "leader control-1, and Mesos has not registered its framework") in told(view)


def test_a_deployment_that_hangs(view: View, answers: dict[str, Any]) -> None:
    answers["/v2/deployments"] = [{"version": "2026-01-01T00:00:00.000Z"}]
    state, detail = next((state, detail) for node, state, detail in told(view) if not node)
    assert state == "degraded"
    assert "it waits for resources or for healthy instances" in detail


def test_the_age_of_deployments(answers: dict[str, Any]) -> None:
    answers["/v2/deployments"] = [{"version": "2026-11-23T11:59:00.000Z"}, {"version": "2026-11-23T11:50:00.000Z"}]
    work = marathon.work(LEADER, 8080, Login("o", "p"), seconds=1, now=NOW)
    assert (work.deployments, work.oldest) == (2, 600.0)


def test_an_environment_that_was_never_made(view: View) -> None:
    (found,) = marathon.check(replace(view, logins={}))
    assert found.state == "failed"
    assert "not made" in found.detail


def test_the_unit_is_that_of_the_provider(view: View) -> None:
    assert view.unit("marathon") == "utopia-scheduler"
    assert view.unit("ingress") == "utopia-router"
    assert view.unit("zookeeper") == "zookeeper"
    assert view.unit("admin") == "admin"


@pytest.mark.parametrize(
    ("status", "words"), [(None, ""), (0, ""), (42, "ended with status 42"), (112, "a flag is not one of this release")]
)
def test_exit_statuses_in_words(status: int | None, words: str) -> None:
    assert words in exits.advice(status)
    assert bool(exits.advice(status)) == bool(words)


def test_mesos_is_read_the_same_way() -> None:
    assert marathon.read is mesos.read
