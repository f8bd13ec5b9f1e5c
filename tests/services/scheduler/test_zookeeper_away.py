"""A scheduler whose ZooKeeper goes away: for a moment it waits, for longer it ends; what was stored is there again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

SESSION = 8.0  # s
APP = {"id": "/waits", "cmd": "true", "instances": 0}


@pytest.fixture
def make(
    own_zookeeper: Any, tmp_path: Path, tree: Callable[[], str], new_scheduler: Any
) -> Iterator[Callable[..., Any]]:
    """Schedulers without any Mesos."""
    (tmp_path / "http").write_text("operator:secret")
    made: list[Any] = []

    def start(name: str, **settings: Any) -> Any:
        config = {
            "master": "127.0.0.1:1",
            "http_address": "127.0.0.1",
            "zk": f"zk://{own_zookeeper.address}{tree()}",
            "zk_session_timeout": int(SESSION * 1000),
            "http_credentials_file": str(tmp_path / "http"),
            **settings,
        }
        made.append(new_scheduler(tmp_path, name, config, ("operator", "secret")))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        if each.alive:
            each.process.end()


def leads(scheduler: Any) -> bool:
    try:
        return bool(scheduler.ask("GET", "/v2/leader").json().get("leader") == scheduler.address)
    except OSError:
        return False


def test_for_a_moment(make: Callable[..., Any], own_zookeeper: Any) -> None:
    scheduler = make("one")
    scheduler.until(lambda: leads(scheduler), 20, "does not lead")
    own_zookeeper.stop()
    answers: list[Any] = []
    writer = threading.Thread(target=lambda: answers.append(scheduler.ask("POST", "/v2/apps", APP)))
    writer.start()
    time.sleep(1)  # the time that it is away
    assert scheduler.get("/v2/apps") == {"apps": []}  # reading goes on
    assert answers == []  # writing waits
    own_zookeeper.start()
    writer.join(15)
    assert [answer.status for answer in answers] == [201]
    assert leads(scheduler)


def test_for_long(make: Callable[..., Any], own_zookeeper: Any) -> None:
    scheduler = make("one")
    scheduler.until(lambda: leads(scheduler), 20, "does not lead")
    assert scheduler.ask("POST", "/v2/apps", APP).status == 201
    own_zookeeper.stop()
    try:
        begun = time.monotonic()
        assert scheduler.wait(40) == 101
        assert SESSION - 1 < time.monotonic() - begun < SESSION + 12
        assert "ends with status 101: ZooKeeper lost: ZooKeeper stayed away" in scheduler.process.tail()
        scheduler.start()
        assert scheduler.wait(40) == 100
    finally:
        own_zookeeper.start()
    scheduler.start()
    scheduler.until(lambda: leads(scheduler), 30, "does not lead")
    assert [app["id"] for app in scheduler.get("/v2/apps")["apps"]] == ["/waits"]


def test_nobody_forgets_a_framework_that_is_led(make: Callable[..., Any]) -> None:
    leader = make("one")
    leader.until(lambda: leads(leader), 20, "does not lead")
    other = make("two", zk_session_timeout=1_000)
    other.process.end()
    other.process.command.append("--forget-framework")
    other.start()
    assert other.wait() == 103
    assert f"{leader.address} leads: stop all schedulers first" in other.process.tail()


def test_a_login_that_is_refused(make: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "right").write_text("marathon:right")
    (tmp_path / "wrong").write_text("marathon:wrong")
    first = make("one", zk_credentials_file=str(tmp_path / "right"))
    first.until(lambda: leads(first), 20, "does not lead")
    second = make("two", zk_credentials_file=str(tmp_path / "wrong"))
    assert second.wait() == 100
    assert eventually(lambda: "refuses" in second.process.tail(), 5, second.process.tail())
