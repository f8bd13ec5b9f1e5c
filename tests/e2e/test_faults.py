"""Things that break: `status` says so at once, the cluster recovers by itself, tasks live on."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from lab import NAME, SPEC, bootstrap, container, on_node, say, wait_for
from mesos_framework import MesosFramework

from bootstrap.errors import ExitStatus
from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

pytestmark = pytest.mark.e2e


def unhealthy() -> str:
    """What `status` complains about; empty when nothing is wrong."""
    run = bootstrap("status", "--env", SPEC, "--json", timeout=30)
    return run.out if run.status == ExitStatus.UNHEALTHY else ""


def main_pid(node: str, unit: str) -> int:
    """The unit's main process; 0 when there is none."""
    return int(on_node(node, f"systemctl show --property=MainPID --value {unit}") or 0)


def kill(node: str, unit: str) -> None:
    """SIGKILL for the main process alone, as the kernel's OOM killer would."""
    on_node(node, f"kill -9 {main_pid(node, unit)}")


def leading_master(_cluster: Cluster) -> str:
    """Name of the node whose Mesos master leads."""
    found = bootstrap("status", "--env", SPEC, "--json").expect().document["found"]
    return next(row["node"] for row in found if row["role"] == "mesos-master" and row["detail"] == "leader")


def task_state(cluster: Cluster, task: str) -> str:
    """A task's state as the leading master knows it; "" for one that it does not know."""
    login = base64.b64encode(f"operator:{Secrets(cluster.env).value('mesos-operator')}".encode()).decode()
    leader = next(node for node in cluster.nodes if node.name == leading_master(cluster))
    request = urllib.request.Request(
        f"http://{leader.address}:5050/master/tasks?task_id={task}", headers={"Authorization": f"Basic {login}"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        found = [row for row in json.load(answer)["tasks"] if row["id"] == task]
    return str(found[0]["state"]) if found else ""


@pytest.fixture
def framework(restored: Cluster) -> Iterator[MesosFramework]:
    """A framework of the test, torn down after it."""
    masters = [f"{node.address}:5050" for node in restored.with_role("mesos-master")]
    with MesosFramework(masters[0], "marathon", Secrets(restored.env).value("mesos-framework")) as made:
        yield made


def test_the_leading_master_is_killed(restored: Cluster) -> None:
    leader = leading_master(restored)
    kill(leader, "mesos-master")
    said = wait_for("status notices", unhealthy, within=15)
    assert leader in said
    wait_for("another master leads", lambda: not unhealthy(), within=60)
    say(f"{leader} was killed; {leading_master(restored)} leads now")


def test_a_zookeeper_member_is_killed(restored: Cluster) -> None:
    on_node("control-2", "systemctl kill --signal=SIGKILL --kill-whom=main zookeeper && systemctl stop zookeeper")
    said = wait_for("status notices", unhealthy, within=15)
    assert "control-2" in said
    on_node("control-2", "systemctl start zookeeper")


def test_a_killed_zookeeper_comes_back_by_itself(restored: Cluster) -> None:
    before = main_pid("control-3", "zookeeper")
    kill("control-3", "zookeeper")
    wait_for("systemd started it anew", lambda: main_pid("control-3", "zookeeper") not in (0, before), within=60)


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_tasks_survive_the_agents_restart(restored: Cluster, framework: MesosFramework, signal: str) -> None:
    command = framework.launch_command("agent-1", "sleep 600")
    docker = framework.launch_docker("agent-1", "utopia/task:1", "sleep 600")
    for task in (command, docker):
        framework.wait(task, "TASK_RUNNING", 60)
    before = main_pid("agent-1", "mesos-agent")
    on_node("agent-1", f"systemctl kill --signal={signal} --kill-whom=main mesos-agent")
    wait_for("the agent runs again", lambda: main_pid("agent-1", "mesos-agent") not in (0, before), within=60)
    wait_for("the agent is registered again", lambda: not unhealthy(), within=90)
    for task in (command, docker):
        assert task_state(restored, task) == "TASK_RUNNING"
        framework.kill(task)
        framework.wait(task, "TASK_KILLED", 30)


def test_an_agents_machine_loses_power(framework: MesosFramework) -> None:
    command = framework.launch_command("agent-2", "sleep 600")
    framework.wait(command, "TASK_RUNNING", 60)
    subprocess.run(["docker", "kill", container(NAME, "agent-2")], check=True, capture_output=True)
    said = wait_for("status notices", unhealthy, within=15)
    assert "agent-2" in said
    run = bootstrap("cluster", "--env", SPEC, "--json").expect()
    say(f"power loss of agent-2 repaired by a run of {run.seconds:.1f} s")
    framework.wait(command, "TASK_FAILED", 120)
