"""When ZooKeeper or Mesos forget what they must not: how the process ends, and how one goes on from there."""

from __future__ import annotations

import asyncio
import http.client
import os
import subprocess
import urllib.parse
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from waiting import eventually

from services.scheduler.storage.connection import Connection

APP = "/framework/sleeper"


@pytest.fixture
def leader(make_scheduler: Callable[..., Any], request: pytest.FixtureRequest) -> Iterator[Any]:
    scheduler = make_scheduler(f"{request.node.name}", framework_name="framework-test")
    scheduler.start()
    eventually(lambda: scheduler.answers and scheduler.get("/v2/info")["frameworkId"], 30, "not registered")
    if scheduler.ask("GET", f"/v2/apps{APP}").status == 404:
        definition = {"id": APP, "cmd": "sleep 3600", "cpus": 0.1, "mem": 32}
        scheduler.deployed(scheduler.ask("POST", "/v2/apps", definition))
    eventually(lambda: len(scheduler.running(APP)) == 1, 30, "one task runs")
    yield scheduler
    scheduler.process.end()


def repaired(scheduler: Any) -> None:
    """What the documentation says: forget, and start again."""
    command = [*scheduler.process.command, "--forget-framework"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "forgotten: the framework id and 1 instances" in done.stderr
    scheduler.start()
    eventually(lambda: scheduler.answers and len(scheduler.running(APP)) == 1, 60, "one task runs again")


def test_mesos_has_removed_the_framework(leader: Any, cluster: Any) -> None:
    before = leader.running(APP)
    master = cluster.leader()
    login = b64encode(":".join(cluster.logins["operator"]).encode()).decode()
    connection = http.client.HTTPConnection(master.address, timeout=10)
    form = urllib.parse.urlencode({"frameworkId": leader.get("/v2/info")["frameworkId"]})
    connection.request("POST", "/master/teardown", form, {"Authorization": f"Basic {login}"})
    assert connection.getresponse().status == 200
    assert leader.wait() == 110
    assert "ends with status 110: Mesos has removed the framework" in leader.process.tail()
    leader.start()
    assert leader.wait() == 110  # nothing mends it but a decision
    repaired(leader)
    assert not before.keys() & leader.running(APP).keys()
    leader.deployed(leader.ask("DELETE", f"/v2/apps{APP}"))


def test_the_framework_id_is_missing(leader: Any, zookeeper: str, work: Any) -> None:
    os.kill(leader.pid, 9)
    leader.wait()
    login = (work / "test_framework" / "zk").read_text().partition(":")

    async def lose() -> None:
        connection = Connection(zookeeper, login=(login[0], login[2]))
        await connection.start()
        await connection.delete("/test_framework/utopia/framework-id")
        await connection.stop()

    asyncio.run(lose())
    leader.start()
    assert leader.wait(30) == 108
    assert "instances are stored, but no framework id" in leader.process.tail()
    repaired(leader)
    leader.deployed(leader.ask("DELETE", f"/v2/apps{APP}"))
