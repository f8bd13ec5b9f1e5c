"""Waiting: no changes ever, a bound, and a failure that says what the service said last."""

from __future__ import annotations

import os

import pytest


def answers(*ready):
    left = list(ready)

    def probe(name):
        assert name == "zookeeper"
        now = left.pop(0) if len(left) > 1 else left[0]
        return {"ready": now, "mode": "", "detail": "in sync" if now else "is looking"}

    return probe


def nobody(name, unit):
    return ""


class Turn:
    """The turn of a state run on a node: what was done with it."""

    def __init__(self):
        self.log = []
        self.salt = {
            "states.step_aside": lambda: self.log.append("aside"),
            "states.step_back": lambda: self.log.append("back"),
        }


def test_a_ready_service_is_not_waited_for(load):
    state = load("_states/readiness", salt={"readiness.probe": answers(True)})
    assert state.wait("zookeeper") == {"name": "zookeeper", "result": True, "comment": "in sync", "changes": {}}


def test_it_asks_until_the_service_is_ready(load):
    turn = Turn()
    salt = {"readiness.probe": answers(False, False, True), "readiness.squatter": nobody}
    state = load("_states/readiness", salt=salt | turn.salt)
    state.FIRST_PAUSE = state.LONGEST_PAUSE = 0.001
    result = state.wait("zookeeper", timeout=5)
    assert (result["result"], result["changes"]) == (True, {})
    assert turn.log == ["aside", "back"]  # others run their states meanwhile


def test_the_bound_ends_the_wait_with_the_journal(load):
    asked = []

    def journal(command, python_shell):
        asked.append(command)
        return "java: no space left on device"

    salt = {"readiness.probe": answers(False), "readiness.squatter": nobody, "cmd.run_stdout": journal}
    turn = Turn()
    state = load("_states/readiness", salt=salt | turn.salt)
    state.FIRST_PAUSE = state.LONGEST_PAUSE = 0.001
    result = state.wait("zookeeper", timeout=0.01, unit="zookeeper-server")
    assert result["result"] is False
    assert "not ready within 0.01 s: is looking" in result["comment"]
    assert "no space left on device" in result["comment"]
    assert asked[0][-2:] == ["--unit", "zookeeper-server"]
    assert turn.log == ["aside", "back"]


@pytest.mark.parametrize(("ready", "result"), [(True, True), (False, None)])
def test_a_dry_run_does_not_wait(load, ready, result):
    state = load("_states/readiness", salt={"readiness.probe": answers(ready)}, test=True)
    assert state.wait("zookeeper")["result"] is result


def test_a_foreign_process_on_the_port_ends_the_wait_at_once(load):
    salt = {
        "readiness.probe": answers(False),
        "readiness.squatter": lambda name, unit: "port 2181 is held by python3 (process 812)",
    }
    result = load("_states/readiness", salt=salt | Turn().salt).wait("zookeeper", timeout=3600)
    assert result["result"] is False
    assert "held by python3 (process 812)" in result["comment"]


@pytest.mark.parametrize(
    ("unit", "holder"), [("zookeeper", ""), ("mesos-agent", "port 2181 is held by python3 (process {pid})")]
)
def test_a_squatter_is_a_listener_outside_the_units_group(load, monkeypatch, unit, holder):
    pid = os.getpid()
    listening = f'LISTEN 0 5 10.0.0.1:2181 0.0.0.0:* users:(("python3",pid={pid},fd=3))'
    module = load("_modules/readiness", salt={"cmd.run_stdout": lambda command, python_shell: listening})
    group = "11:memory:/docker/abc/system.slice/zookeeper.service\n"
    monkeypatch.setattr(module.Path, "read_text", lambda path, encoding: group)
    assert module.squatter("zookeeper", unit) == holder.format(pid=pid)
