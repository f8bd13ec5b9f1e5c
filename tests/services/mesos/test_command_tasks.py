"""Command tasks on a real agent, with the isolation of a production agent."""

from __future__ import annotations

import io
import signal
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mesos_framework import MesosFramework
from waiting import eventually

AGENT = "127.0.0.1"
SECRET = "c2VjcmV0LXZhbHVl"  # "secret-value"


def check(kind: str, detail: dict[str, Any], **more: Any) -> dict[str, Any]:
    timing = {"delay_seconds": 0, "interval_seconds": 0.2, "timeout_seconds": 2, "grace_period_seconds": 0}
    return {"type": kind, kind.lower(): detail, **timing, **more}


def stdout(cluster: Any, task: str) -> str:
    return str((cluster.sandbox(task) / "stdout").read_text())


def test_success_and_its_updates(framework: MesosFramework) -> None:
    task = framework.launch_command(AGENT, "echo hello")
    framework.wait(task, "TASK_FINISHED")
    assert [update["state"] for update in framework.of(task)] == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]


def test_failure_names_the_exit_status(framework: MesosFramework) -> None:
    task = framework.launch_command(AGENT, "exit 3")
    assert framework.wait(task, "TASK_FAILED")["message"] == "Command exited with status 3"


def test_arguments_without_a_shell(cluster: Any, framework: MesosFramework) -> None:
    command = {"shell": False, "value": "/usr/bin/printf", "arguments": ["printf", "%s|", "a b", "$HOME"]}
    task = framework.launch(AGENT, {"command": command})
    framework.wait(task, "TASK_FINISHED")
    assert stdout(cluster, task).endswith("a b|$HOME|")


def test_a_program_that_is_not_there(framework: MesosFramework) -> None:
    task = framework.launch(AGENT, {"command": {"shell": False, "value": "/nowhere"}})
    assert "No such file" in framework.wait(task, "TASK_FAILED")["message"]


def test_environment_user_and_folder(cluster: Any, framework: MesosFramework) -> None:
    variables = [
        {"name": "GREETING", "value": "good day"},
        {"name": "HIDDEN", "type": "SECRET", "secret": {"type": "VALUE", "value": {"data": SECRET}}},
    ]
    command = {
        "shell": True,
        "user": "nobody",
        "value": 'echo "$GREETING $HIDDEN"; id -un; pwd -P; env',
        "environment": {"variables": variables},
    }
    task = framework.launch(AGENT, {"command": command})
    framework.wait(task, "TASK_FINISHED")
    lines = stdout(cluster, task).splitlines()
    start = lines.index("good day secret-value")
    assert lines[start + 1] == "nobody"
    assert Path(lines[start + 2]).name == cluster.sandbox(task).name
    names = {line.partition("=")[0] for line in lines[start + 3 :]}
    assert {"MESOS_SANDBOX", "MESOS_AGENT_ENDPOINT"} <= names
    assert "MESOS_EXECUTOR_AUTHENTICATION_TOKEN" not in names


def test_the_executors_token_is_not_in_the_sandbox(cluster: Any, framework: MesosFramework) -> None:
    task = framework.launch_command(AGENT, "true")
    framework.wait(task, "TASK_FINISHED")
    written = stdout(cluster, task) + (cluster.sandbox(task) / "stderr").read_text()
    assert "eyJ" not in written, "a JSON web token begins like this"


def test_kill_announces_itself_and_lets_the_task_end_well(cluster: Any, framework: MesosFramework) -> None:
    task = framework.launch_command(AGENT, "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
    framework.wait(task, "TASK_RUNNING")
    eventually(lambda: "ready" in stdout(cluster, task), 10, "the task did not start")
    framework.kill(task)
    framework.wait(task, "TASK_KILLED")
    assert "TASK_KILLING" in [update["state"] for update in framework.of(task)]
    assert "told" in stdout(cluster, task)


def test_a_task_that_ignores_the_kill_is_ended_after_its_grace(cluster: Any, framework: MesosFramework) -> None:
    task = framework.launch_command(AGENT, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    framework.wait(task, "TASK_RUNNING")
    eventually(lambda: "ready" in stdout(cluster, task), 10, "the task did not start")
    framework.kill(task, grace_seconds=1)
    killing = framework.wait(task, "TASK_KILLING")["timestamp"]
    killed = framework.wait(task, "TASK_KILLED", timeout=10)
    assert 0.9 < killed["timestamp"] - killing < 3
    assert killed["message"] == "Command terminated with signal Killed"


def test_too_long_a_task_is_ended(framework: MesosFramework) -> None:
    task = framework.launch_command(AGENT, "sleep 60", max_completion_time={"nanoseconds": 500_000_000})
    assert framework.wait(task, "TASK_FAILED", timeout=10)["reason"] == "REASON_MAX_COMPLETION_TIME_REACHED"


def test_health_turns_from_good_to_bad_and_the_task_goes(cluster: Any, framework: MesosFramework) -> None:
    command = {"command": {"shell": True, "value": "test ! -e sick"}}
    health = check("COMMAND", command["command"], consecutive_failures=2)
    task = framework.launch_command(AGENT, "sleep 60", health_check=health)
    framework.wait(task, "TASK_RUNNING", healthy=True)
    (cluster.sandbox(task) / "sick").touch()
    framework.wait(task, "TASK_RUNNING", healthy=False)
    assert framework.wait(task, "TASK_KILLED")["healthy"] is False


def test_http_and_tcp_checks(framework: MesosFramework) -> None:
    server = "exec /usr/bin/python3 -m http.server --bind 127.0.0.1 31900"
    status = check("HTTP", {"port": 31900, "path": "/nothing"})
    health = check("TCP", {"port": 31900}, grace_period_seconds=20)
    task = framework.launch_command(AGENT, server, health_check=health, check=status)
    framework.wait(task, "TASK_RUNNING", healthy=True)
    framework.wait(task, "TASK_RUNNING", check_status={"type": "HTTP", "http": {"status_code": 404}})
    framework.kill(task)
    framework.wait(task, "TASK_KILLED")


def test_more_memory_than_given(framework: MesosFramework) -> None:
    task = framework.launch(AGENT, {"command": {"shell": True, "value": "tail /dev/zero"}}, mem=48)
    failed = framework.wait(task, "TASK_FAILED")
    assert failed["reason"] == "REASON_CONTAINER_LIMITATION_MEMORY"
    assert "Memory limit exceeded" in failed["message"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """A small web server: (URL, paths that were asked for)."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "plain.txt").write_text("plain")
    with tarfile.open(folder / "packed.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("inside/packed.txt")
        member.size = 6
        archive.addfile(member, io.BytesIO(b"packed"))
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer((AGENT, 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{AGENT}:{server.server_port}", asked
    server.shutdown()


def test_files_are_fetched_once_and_unpacked(
    cluster: Any, framework: MesosFramework, files: tuple[str, list[str]]
) -> None:
    url, asked = files
    uris = [
        {"value": f"{url}/plain.txt", "executable": True, "output_file": "bin/tool"},
        {"value": f"{url}/packed.tar.gz", "cache": True},
    ]
    for _ in range(2):
        command = {"shell": True, "value": "ls -l bin/tool; cat inside/packed.txt", "uris": uris, "user": "nobody"}
        task = framework.launch(AGENT, {"command": command})
        framework.wait(task, "TASK_FINISHED")
        assert stdout(cluster, task).endswith("packed")
        assert "-rwxr-xr-x 1 nobody" in stdout(cluster, task)
    assert asked.count("/packed.tar.gz") == 2, "HEAD of the agent for the size and one GET"
    assert asked.count("/plain.txt") == 2


def test_a_file_that_is_not_there(framework: MesosFramework, files: tuple[str, list[str]]) -> None:
    command = {"shell": True, "value": "true", "uris": [{"value": f"{files[0]}/missing"}]}
    task = framework.launch(AGENT, {"command": command})
    assert "Failed to fetch" in framework.wait(task, "TASK_FAILED")["message"]


def test_the_sandbox_can_be_read_over_http(cluster: Any, framework: MesosFramework) -> None:
    task = framework.launch_command(AGENT, "echo proof; sleep 60")
    framework.wait(task, "TASK_RUNNING")
    path = cluster.sandbox(task)
    eventually(lambda: "proof" in stdout(cluster, task), 10, "nothing was written")
    names = [Path(entry["path"]).name for entry in cluster.ask(cluster.agent, f"/files/browse?path={path}").json()]
    assert {"stdout", "stderr"} <= set(names)
    assert "proof" in cluster.ask(cluster.agent, f"/files/read?path={path}/stdout&offset=0").json()["data"]
    (container,) = cluster.containers(task)
    assert container["statistics"]["mem_limit_bytes"] >= 64 * 1024 * 1024
    framework.kill(task)
    framework.wait(task, "TASK_KILLED")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_task_outlives_the_agents_process(cluster: Any, framework: MesosFramework, number: signal.Signals) -> None:
    before = cluster.wait_for_agent()["id"]
    running = framework.launch_command(AGENT, "sleep 100")
    ending = framework.launch_command(AGENT, "while [ ! -e go ]; do sleep 0.1; done; touch gone; exit 5")
    for task in (running, ending):
        framework.wait(task, "TASK_RUNNING")
    cluster.agent.end(number)
    (cluster.sandbox(ending) / "go").touch()  # ends while there is no agent to tell
    eventually((cluster.sandbox(ending) / "gone").exists, 10, "the task does not go on")
    cluster.agent.start()
    assert framework.wait(ending, "TASK_FAILED")["message"] == "Command exited with status 5"
    assert cluster.wait_for_agent()["id"] == before
    assert framework.of(running)[-1]["state"] == "TASK_RUNNING"
    framework.kill(running)
    framework.wait(running, "TASK_KILLED")


def test_the_teardown_of_a_framework_ends_its_tasks(cluster: Any) -> None:
    with cluster.framework() as framework:
        task = framework.launch_command(AGENT, "sleep 100")
        framework.wait(task, "TASK_RUNNING")
    eventually(lambda: not cluster.containers(task), 10, "the container is still there")
