"""The helpers that the agent's unit runs before the agent."""

import subprocess
from pathlib import Path

import pytest

LIBEXEC = Path(__file__).parents[3] / "packaging/mesos/libexec"


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [str(LIBEXEC / name), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("group", "root"),
    [("/", "mesos"), ("/docker/abc", "docker/abc/mesos"), ("/docker/abc/init.scope", "docker/abc/init.scope/mesos")],
)
def test_environment(tmp_path: Path, group: str, root: str) -> None:
    (tmp_path / "cgroup").write_text(f"12:memory:/elsewhere\n5:freezer:{group}\n0::/x\n")
    done = run("agent-environment", tmp_path / "env", tmp_path / "cgroup")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "env").read_text() == f"MESOS_CGROUPS_ROOT={root}\n"


def test_environment_without_control_groups_of_version_1(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/\n")
    done = run("agent-environment", tmp_path / "env", tmp_path / "cgroup")
    assert done.returncode == 1
    assert "control groups of version 1" in done.stderr
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("name", ["agent-environment", "agent-after-power-loss"])
def test_usage(name: str) -> None:
    done = run(name)
    assert done.returncode != 0
    assert f"usage: {name}" in done.stderr


def test_power_loss(tmp_path: Path) -> None:
    boot = tmp_path / "meta/boot_id"
    assert run("agent-after-power-loss", tmp_path).returncode == 0  # before the agent's first start
    boot.parent.mkdir()
    boot.write_text("kernel's boot id")
    assert run("agent-after-power-loss", tmp_path).stdout == ""  # a restart of the agent only
    assert boot.read_text() == "kernel's boot id"
    (tmp_path / "machine-boot").write_text("another boot id 12345\n")  # as left by an earlier start of the machine
    assert "started anew" in run("agent-after-power-loss", tmp_path).stdout
    changed = boot.read_text()
    assert changed.startswith("another-")
    assert run("agent-after-power-loss", tmp_path).stdout == ""
    assert boot.read_text() == changed


DOCKER = """#!/bin/sh
echo "$*" >> {log}
[ "$1" = ps ] || exit {status}
printf '%s\\n' mesos-alive mesos-dead
exit {status}
"""


def test_orphaned_containers(tmp_path: Path) -> None:
    docker, log = tmp_path / "docker", tmp_path / "log"
    docker.write_text(DOCKER.format(log=log, status=0))
    docker.chmod(0o755)
    executor = subprocess.Popen(
        ["/bin/sh", "-c", "read -r word", "executor", "--container=mesos-alive"], stdin=subprocess.PIPE
    )
    try:
        done = run("agent-orphaned-containers", docker)
    finally:
        executor.communicate()
    assert done.returncode == 0
    assert "stopping mesos-dead" in done.stdout
    assert [line for line in log.read_text().splitlines() if line.startswith("stop")] == ["stop -t 5 mesos-dead"]


def test_orphaned_containers_without_a_daemon(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(log=tmp_path / "log", status=1))
    docker.chmod(0o755)
    done = run("agent-orphaned-containers", docker)
    assert done.returncode == 0
    assert "does not answer" in done.stderr
