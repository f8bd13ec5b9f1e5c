"""Docker tasks on a real agent and a real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mesos_framework import MesosFramework
from waiting import eventually

AGENT = "127.0.0.1"
SERVER = "mkdir -p /www && echo served > /www/index.html && exec httpd -f -p 8080 -h /www"


def health(kind: str, **detail: Any) -> dict[str, Any]:
    timing = {"delay_seconds": 0, "interval_seconds": 0.2, "timeout_seconds": 3, "grace_period_seconds": 20}
    return {"type": kind, kind.lower(): detail, **timing}


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def container_of(update: dict[str, Any]) -> str:
    return f"mesos-{update['container_status']['container_id']['value']}"


def served(port: int) -> bytes:
    with urllib.request.urlopen(f"http://{AGENT}:{port}/", timeout=5) as response:
        return bytes(response.read())


def test_output_environment_and_sandbox(cluster: Any, framework: MesosFramework, image: str) -> None:
    variables = [
        {"name": "GREETING", "value": "good day"},
        {"name": "HIDDEN", "type": "SECRET", "secret": {"type": "VALUE", "value": {"data": "c2VjcmV0"}}},
    ]
    value = 'echo "$GREETING $HIDDEN"; echo kept > $MESOS_SANDBOX/file; cat /data/file'
    (Path(cluster.work_dir).parent / "volume").mkdir()
    (Path(cluster.work_dir).parent / "volume/file").write_text("from the volume")
    task = framework.launch(
        AGENT,
        {
            "command": {"shell": True, "value": value, "environment": {"variables": variables}},
            "container": {
                "type": "DOCKER",
                "hostname": "my-host",
                "volumes": [
                    {"host_path": f"{cluster.work_dir.parent}/volume", "container_path": "/data", "mode": "RO"},
                    {"host_path": "cache", "container_path": "/cache", "mode": "RW"},
                ],
                "docker": {
                    "image": image,
                    "network": "BRIDGE",
                    "parameters": [{"key": "label", "value": "who=me"}, {"key": "dns", "value": "192.0.2.1"}],
                },
            },
        },
    )
    framework.wait(task, "TASK_FINISHED")
    sandbox = cluster.sandbox(task)
    assert (sandbox / "stdout").read_text().endswith("good day secret\nfrom the volume")
    assert (sandbox / "file").read_text() == "kept\n"
    (line,) = [call for call in cluster.docker_runs() if f"--label=MESOS_TASK_ID={task}" in call]
    assert "HIDDEN" in line
    assert not [word for word in line if "secret" in word]
    assert line[line.index("--hostname") + 1] == "my-host"
    assert {"--label=who=me", "--dns=192.0.2.1"} <= set(line)
    assert line[line.index("--cpu-quota") + 1] == "10000", "the agent has --cgroups_enable_cfs"


def test_failure_names_the_exit_status(framework: MesosFramework, image: str) -> None:
    task = framework.launch_docker(AGENT, image, "exit 7")
    assert framework.wait(task, "TASK_FAILED")["message"] == "Container exited with status 7"
    assert "TASK_RUNNING" in [update["state"] for update in framework.of(task)]


def test_an_image_that_cannot_be_pulled(framework: MesosFramework) -> None:
    task = framework.launch_docker(AGENT, "127.0.0.1:1/nothing:1")
    failed = framework.wait(task, "TASK_FAILED")
    assert failed["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    assert "pull" in failed["message"]


def test_force_pull_does_not_take_the_image_that_is_there(framework: MesosFramework, image: str) -> None:
    container = {"type": "DOCKER", "docker": {"image": image, "network": "HOST", "force_pull_image": True}}
    task = framework.launch(AGENT, {"command": {"shell": True, "value": "true"}, "container": container})
    assert "pull" in framework.wait(task, "TASK_FAILED", timeout=120)["message"]


def test_a_task_that_cannot_be_is_refused_with_the_reason(framework: MesosFramework, image: str) -> None:
    docker_info = {"image": image, "network": "BRIDGE", "port_mappings": [{"host_port": 31999, "container_port": 80}]}
    container = {"type": "DOCKER", "docker": docker_info}
    task = framework.launch(AGENT, {"command": {"shell": True, "value": "true"}, "container": container})
    assert framework.wait(task, "TASK_FAILED")["message"] == "Port mappings require port resources"


def test_a_port_answers_and_the_kill_waits_for_the_grace(cluster: Any, framework: MesosFramework, image: str) -> None:
    check = health("HTTP", port=8080, path="/")
    task = framework.launch_docker(AGENT, image, SERVER, ports={31901: 8080}, health_check=check)
    running = framework.wait(task, "TASK_RUNNING", healthy=True)
    assert running["container_status"]["network_infos"][0]["port_mappings"][0]["host_port"] == 31901
    assert served(31901) == b"served\n"
    (container,) = cluster.containers(task)
    assert container["statistics"]["mem_limit_bytes"] == 64 << 20
    framework.kill(task, grace_seconds=1)  # httpd as first process ignores TERM
    assert framework.wait(task, "TASK_KILLED")["message"] == "Container exited with status 137"


def test_a_container_that_obeys_ends_at_once(framework: MesosFramework, image: str) -> None:
    # A first process that has not set its trap yet ignores the signal.
    obeys = "trap 'exit 0' TERM; touch /ready; while :; do sleep 0.1; done"
    policy = {"grace_period": {"nanoseconds": 30 * 10**9}}
    check = health("COMMAND", shell=True, value="test -e /ready")
    task = framework.launch_docker(AGENT, image, obeys, kill_policy=policy, health_check=check)
    framework.wait(task, "TASK_RUNNING", healthy=True)
    framework.kill(task)
    framework.wait(task, "TASK_KILLED", timeout=10)


@pytest.mark.parametrize(
    ("kind", "detail"),
    [("TCP", {"port": 8080}), ("COMMAND", {"shell": True, "value": "test -e /www/index.html"})],
)
def test_health_is_found_inside_the_container(
    framework: MesosFramework, image: str, kind: str, detail: dict[str, Any]
) -> None:
    task = framework.launch_docker(AGENT, image, SERVER, health_check=health(kind, **detail))
    framework.wait(task, "TASK_RUNNING", healthy=True)
    framework.kill(task, grace_seconds=0)
    framework.wait(task, "TASK_KILLED")


def test_an_unhealthy_container_is_stopped(framework: MesosFramework, image: str) -> None:
    check = health("HTTP", port=1, path="/") | {"grace_period_seconds": 0, "consecutive_failures": 2}
    policy = {"grace_period": {"nanoseconds": 0}}
    task = framework.launch_docker(AGENT, image, "sleep 60", health_check=check, kill_policy=policy)
    framework.wait(task, "TASK_RUNNING", healthy=False)
    assert framework.wait(task, "TASK_KILLED")["healthy"] is False


@pytest.fixture
def network(cluster: Any) -> Iterator[str]:
    name = f"utopia-mesos-test-{os.getpid()}"
    docker("network", "create", name)
    yield name
    for container in docker("ps", "-aq", "--filter", f"network={name}").split():
        docker("rm", "--force", container)
    docker("network", "rm", name)


def test_a_network_of_the_users(framework: MesosFramework, image: str, network: str) -> None:
    container = {"type": "DOCKER", "docker": {"image": image, "network": "USER"}, "network_infos": [{"name": network}]}
    policy = {"grace_period": {"nanoseconds": 0}}
    info = {"command": {"shell": True, "value": "sleep 60"}, "container": container, "kill_policy": policy}
    task = framework.launch(AGENT, info)
    status = framework.wait(task, "TASK_RUNNING")["container_status"]["network_infos"][0]
    subnet = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", network)
    assert status["name"] == network
    assert status["ip_addresses"][0]["ip_address"].rpartition(".")[0] == subnet.rpartition(".")[0]
    framework.kill(task)
    framework.wait(task, "TASK_KILLED")


def test_a_container_outlives_the_agents_process_twice(cluster: Any, framework: MesosFramework, image: str) -> None:
    task = framework.launch_docker(AGENT, image, SERVER, ports={31902: 8080}, health_check=health("TCP", port=8080))
    container = container_of(framework.wait(task, "TASK_RUNNING", healthy=True))
    started = docker("inspect", "-f", "{{.State.StartedAt}}", container)
    for number in (signal.SIGKILL, signal.SIGTERM):
        cluster.agent.end(number)
        assert served(31902) == b"served\n"
        cluster.agent.start()
        cluster.wait_for_agent()
        eventually(lambda: "statistics" in cluster.containers(task)[0], 10, "the container was not recovered")
    assert framework.of(task)[-1]["state"] == "TASK_RUNNING"
    assert docker("inspect", "-f", "{{.State.StartedAt}}", container) == started
    framework.kill(task, grace_seconds=0)
    framework.wait(task, "TASK_KILLED")


def _processes(word: str) -> list[int]:
    def words(entry: Path) -> list[str]:
        try:
            return (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            return []

    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if word in words(entry)]


def test_a_container_does_not_outlive_its_executor(framework: MesosFramework, image: str) -> None:
    task = framework.launch_docker(AGENT, image, "trap 'exit 0' TERM; while :; do sleep 0.1; done")
    container = container_of(framework.wait(task, "TASK_RUNNING"))
    (executor,) = _processes(f"--container={container}")
    os.kill(executor, signal.SIGKILL)
    assert framework.wait(task, "TASK_FAILED")["reason"] == "REASON_EXECUTOR_TERMINATED"
    eventually(
        lambda: docker("inspect", "-f", "{{.State.Running}}", container) == "false\n", 15, "the container goes on"
    )


def test_the_task_goes_on_when_the_client_loses_its_daemon(framework: MesosFramework, image: str) -> None:
    """As at a restart of the engine with live-restore: `docker run` ends with 125, the container does not."""
    task = framework.launch_docker(AGENT, image, "while [ ! -e $MESOS_SANDBOX/go ]; do sleep 0.1; done; exit 9")
    container = container_of(framework.wait(task, "TASK_RUNNING"))
    sandbox = docker("inspect", "-f", "{{(index .HostConfig.Binds 0)}}", container).partition(":")[0]
    (wrapper,) = [pid for pid in _processes(f"MESOS_CONTAINER_NAME={container}") if _is_python(pid)]
    os.kill(wrapper, signal.SIGUSR1)
    eventually(lambda: not Path(f"/proc/{wrapper}/exe").exists(), 10, "docker run goes on")
    assert framework.of(task)[-1]["state"] == "TASK_RUNNING"
    Path(sandbox, "go").touch()
    assert framework.wait(task, "TASK_FAILED")["message"] == "Container exited with status 9"


def _is_python(pid: int) -> bool:
    return b"python" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
