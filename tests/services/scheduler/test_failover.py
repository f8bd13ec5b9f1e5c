"""Leaders come and go; tasks stay, with the same ids."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

APP = "/failover/sleeper"


@pytest.fixture
def tasks(schedulers: Any) -> set[str]:
    """Ids of the tasks of an application that is there before and after."""
    schedulers.restore()
    leader = schedulers.leader
    definition = {"id": APP, "cmd": "sleep 3600", "cpus": 0.1, "mem": 32, "instances": 3}
    if leader.ask("GET", f"/v2/apps{APP}").status == 404:
        leader.deployed(leader.ask("POST", "/v2/apps", definition))
    return set(eventually(lambda: len(leader.running(APP)) == 3 and leader.running(APP), 30, "three tasks run"))


def same_tasks(schedulers: Any, tasks: set[str]) -> None:
    leader = schedulers.leader
    assert set(leader.running(APP)) == tasks
    assert leader.get("/v2/queue") == {"queue": []}


def test_a_standby_hands_requests_on(schedulers: Any, tasks: set[str]) -> None:
    leader, standby = schedulers.leader, schedulers.standbys[0]
    answer = standby.ask("GET", f"/v2/apps{APP}")
    assert answer.status == 200
    assert len(answer.json()["app"]["tasks"]) == 3
    assert answer.headers["X-Marathon-Leader"] == leader.url
    assert answer.headers["X-Marathon-Via"] == f"1.1 {standby.address}"
    assert "X-Marathon-Via" not in leader.ask("GET", f"/v2/apps{APP}").headers
    answer = standby.ask("PUT", f"/v2/apps{APP}", {"labels": {}})
    leader.deployed(answer)
    missing = standby.ask("GET", "/v2/apps/nowhere")
    assert (missing.status, missing.json()) == (404, {"message": "App '/nowhere' does not exist"})
    same_tasks(schedulers, tasks)


def test_a_standby_sends_streams_to_the_leader(schedulers: Any, tasks: set[str]) -> None:
    leader, standby = schedulers.leader, schedulers.standbys[0]
    answer = standby.ask("GET", "/v2/events?event_type=status_update_event")
    assert answer.status == 302
    assert answer.headers["Location"] == f"{leader.url}/v2/events?event_type=status_update_event"


def test_requests_do_not_go_in_circles(schedulers: Any, tasks: set[str]) -> None:
    standby = schedulers.standbys[0]
    answer = standby.ask("GET", "/v2/apps", **{"X-Marathon-Via": f"1.1 {standby.address}"})
    assert (answer.status, answer.json()) == (502, {"message": "Detected proxying loop."})


def test_a_standby_answers_for_itself(schedulers: Any, tasks: set[str]) -> None:
    standby = schedulers.standbys[0]
    assert standby.ask("GET", "/ping", login=None).body == b"pong"
    assert standby.ask("GET", "/metrics", login=None).status == 401
    assert standby.get("/metrics")["gauges"]["marathon.uptime.gauge.seconds"]["value"] > 0


def test_the_leader_is_killed(schedulers: Any, tasks: set[str]) -> None:
    leader = schedulers.leader
    os.kill(leader.pid, signal.SIGKILL)
    leader.wait()
    assert schedulers.leader is not leader
    same_tasks(schedulers, tasks)


def test_the_leader_hangs_and_wakes(schedulers: Any, tasks: set[str]) -> None:
    leader = schedulers.leader
    os.kill(leader.pid, signal.SIGSTOP)
    try:
        others = [each for each in schedulers.members if each is not leader]
        eventually(lambda: any(_leads(each) for each in others), 30, "another one leads")
    finally:
        os.kill(leader.pid, signal.SIGCONT)
    assert leader.wait() in (101, 103)
    same_tasks(schedulers, tasks)


def _leads(scheduler: Any) -> bool:
    answer = scheduler.ask("GET", "/v2/info")
    return answer.status == 200 and answer.json()["leader"] == scheduler.address


def test_the_leader_abdicates(schedulers: Any, tasks: set[str]) -> None:
    leader = schedulers.leader
    assert leader.get("/v2/leader") == {"leader": leader.address}
    answer = schedulers.standbys[0].ask("DELETE", "/v2/leader")
    assert (answer.status, answer.json()) == (200, {"message": "Leadership abdicated"})
    assert leader.wait() == 103
    assert schedulers.leader is not leader
    same_tasks(schedulers, tasks)


def test_the_leader_is_asked_to_end(schedulers: Any, tasks: set[str]) -> None:
    leader = schedulers.leader
    assert leader.process.end(signal.SIGTERM) == 0
    assert schedulers.leader is not leader
    same_tasks(schedulers, tasks)


def test_a_deployment_goes_on_under_the_next_leader(schedulers: Any, tasks: set[str]) -> None:
    leader = schedulers.leader
    answer = leader.ask("PUT", f"/v2/apps{APP}", {"env": {"TIME": str(os.getpid())}})
    assert answer.status == 200
    os.kill(leader.pid, signal.SIGKILL)
    leader.wait()
    after = schedulers.leader
    after.settled(answer.json()["deploymentId"])
    running = after.running(APP)
    assert len(running) == 3
    assert not running.keys() & tasks


@pytest.mark.parametrize(
    ("settings", "status", "words"),
    [
        ({"zk": "zk://127.0.0.1:1/x", "zk_connection_timeout": 500}, 100, "ZooKeeper at 127.0.0.1:1"),
        ({"nonsense": 1}, 112, "nonsense: no such setting"),
        ({"http_credentials_file": "/nowhere"}, 112, "http_credentials_file: No such file"),
    ],
)
def test_status_at_the_end(
    make_scheduler: Callable[..., Any], settings: dict[str, Any], status: int, words: str
) -> None:
    scheduler = make_scheduler(f"broken-{status}-{len(words)}", **settings)
    scheduler.start()
    assert scheduler.wait() == status
    assert f"ends with status {status}: " in scheduler.process.tail()
    assert words in scheduler.process.tail()


def test_a_taken_port(make_scheduler: Callable[..., Any]) -> None:
    scheduler = make_scheduler("taken")
    with socket.create_server(("127.0.0.1", scheduler.port)):
        scheduler.start()
        assert scheduler.wait() == 111
    assert "cannot listen at 127.0.0.1" in scheduler.process.tail()


def test_no_secret_in_the_logs(schedulers: Any, tasks: set[str], work: Path) -> None:
    folder = work / "test_failover"
    secrets = {(folder / name).read_text().rpartition(":")[2] for name in ("http", "zk", "mesos")}
    assert len(secrets) == 3
    logs = "".join(path.read_text(errors="replace") for path in folder.glob("*.log"))
    assert not [secret for secret in secrets if secret in logs]
    shown = json.dumps(schedulers.leader.get("/v2/info"))
    assert not [secret for secret in secrets if secret in shown]
