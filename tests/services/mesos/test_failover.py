"""The leading master dies: another one takes over, agent, framework and task go on. Last, as it takes longest."""

from __future__ import annotations

import signal
from typing import Any

from mesos_framework import MesosFramework
from waiting import eventually

AGENT = "127.0.0.1"
# Session timeout of 6 s in the tests' masters, and as much again for a loaded machine.
FAILOVER_SECONDS = 30


def test_a_new_leader_takes_over_with_its_tasks(cluster: Any, framework: MesosFramework) -> None:
    agent = cluster.wait_for_agent()["id"]
    task = framework.launch_command(AGENT, "while [ ! -e go ]; do sleep 0.1; done")
    framework.wait(task, "TASK_RUNNING")
    old = cluster.leader()
    old.end(signal.SIGKILL)

    def successor() -> Any:
        leader = cluster.leader()
        return leader if leader is not None and cluster.agents() else None

    new = eventually(successor, FAILOVER_SECONDS, "no new leader with the agent")
    assert new is not old
    assert cluster.wait_for_agent()["id"] == agent
    (cluster.sandbox(task) / "go").touch()
    framework.wait(task, "TASK_FINISHED")
    assert "TASK_LOST" not in [update["state"] for update in framework.of(task)]
    after = framework.launch_command(AGENT, "true")
    framework.wait(after, "TASK_FINISHED")
    old.start()
    old.wait_until_healthy()
    eventually(lambda: cluster.ask(old, "/state").status == 307, FAILOVER_SECONDS, f"no standby:\n{old.tail()}")
