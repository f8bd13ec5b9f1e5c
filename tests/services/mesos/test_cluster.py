"""Masters and agent: who leads, who may talk to them, what the agent offers."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest


def test_one_master_leads_and_the_others_point_to_it(cluster: Any) -> None:
    leader = cluster.leader()
    assert leader is not None
    for master in cluster.masters:
        answer = cluster.ask(master, "/state")
        if master is leader:
            assert answer.status == 200
            assert answer.json()["cluster"] == "test"
        else:
            assert answer.status == 307
            assert answer.headers["Location"] == f"//{leader.address}/master/state"


def test_the_registry_is_replicated_to_all_masters(cluster: Any) -> None:
    metrics = cluster.ask(cluster.leader(), "/metrics/snapshot").json()
    assert metrics["registrar/log/ensemble_size"] == 3.0
    assert metrics["registrar/log/recovered"] == 1.0


def test_the_agent_offers_what_it_was_given(cluster: Any) -> None:
    agent = cluster.wait_for_agent()
    assert agent["attributes"] == {"rack": "r1"}
    assert (agent["resources"]["cpus"], agent["resources"]["mem"]) == (2.0, 1024.0)
    assert agent["resources"]["ports"] == "[31900-31999]"
    assert agent["version"] == "1.11.0"


@pytest.mark.parametrize("path", ["/state", "/metrics/snapshot", "/master/slaves"])
@pytest.mark.parametrize("login", [None, ("operator", "wrong"), ("nobody", "x")])
def test_the_master_asks_who_is_there(cluster: Any, path: str, login: tuple[str, str] | None) -> None:
    assert cluster.ask(cluster.leader(), path, login).status == 401


@pytest.mark.parametrize("path", ["/state", "/metrics/snapshot", "/containers"])
def test_the_agent_asks_who_is_there(cluster: Any, path: str) -> None:
    assert cluster.ask(cluster.agent, path, ("operator", "wrong")).status == 401
    assert cluster.ask(cluster.agent, path).status == 200


@pytest.mark.parametrize("path", ["/health", "/version"])
def test_health_and_version_are_open(cluster: Any, path: str) -> None:
    for process in (*cluster.masters, cluster.agent):
        assert cluster.ask(process, path, None).status == 200


def test_a_framework_with_a_wrong_secret_is_refused(cluster: Any) -> None:
    assert cluster.subscribe(("marathon", "wrong"), "marathon").status == 401


def test_a_framework_cannot_take_another_principal(cluster: Any) -> None:
    answer = cluster.subscribe(cluster.logins["operator"], "marathon")
    assert answer.status == 400
    assert b"does not match principal" in answer.body


def test_an_agent_with_a_wrong_secret_ends(cluster: Any, installed: Any, work: Any) -> None:
    (work / "wrong-credential").write_text('{"principal": "agent", "secret": "wrong"}')
    flags = {
        "master": cluster.agent.environment["MESOS_MASTER"],
        "credential": str(work / "wrong-credential"),
        "ip": "127.0.0.1",
        "port": "0",
        "work_dir": str(work / "refused-agent"),
        "runtime_dir": str(work / "refused-agent-run"),
        "launcher": "posix",
    }
    command = [installed.agent, *(f"--{name}={value}" for name, value in flags.items())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "refused authentication" in done.stderr
