"""Each way in which a run can fail, made for real: the exit status, what is said, and that the next run mends it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lab import Run, bootstrap, container, on_node, start, wait_for

from bootstrap import paths, ssh_config
from bootstrap.errors import ExitStatus
from bootstrap.journal import read
from bootstrap.model import Cluster

pytestmark = pytest.mark.e2e

STRAY = """
driver: {name: ssh, user: root}
domain: stray.utopia
network: 172.30.10.0/24
nodes:
  admin-1: {address: 172.30.10.99, roles: [admin]}
settings: {}
"""


def refused(run: Run, status: ExitStatus, *words: str) -> None:
    """The run ended with `status`, said these words, named a next step, and showed no traceback."""
    run.expect(status)
    said = run.out + run.err
    assert "Traceback" not in said
    assert "next:" in run.err
    for word in words:
        assert word in said, f"'{word}' is missing in:\n{run.err[-3000:]}"


def test_a_host_that_does_not_answer(local: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "stray"
    folder.mkdir()
    (folder / "cluster.yaml").write_text(STRAY)
    state = {"UTOPIA_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text(
        "172.30.10.99 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    )
    run = bootstrap("cluster", "--env", str(folder / "cluster.yaml"), "--only", "salt", env=state)
    refused(run, ExitStatus.UNREACHABLE, "admin-1", "172.30.10.99")


@pytest.fixture
def another_host_key(restored: Cluster) -> Iterator[str]:
    """edge-1 answers with a key that is not the one its machine was made with, and its minion is down."""
    node = "edge-1"
    key = "/etc/ssh/ssh_host_ed25519_key"
    on_node(node, f"systemctl stop salt-minion && cp -p {key} /root/kept && rm {key}")
    on_node(node, "ssh-keygen -q -t ed25519 -N '' -f /root/other && install -m 600 /root/other " + key)
    on_node(node, "systemctl restart ssh; rm /root/other*")
    yield node
    on_node(node, f"mv /root/kept {key} && systemctl restart ssh && systemctl start salt-minion")


def test_a_host_that_answers_with_another_key(another_host_key: str) -> None:
    ssh_config.close_masters("local")
    run = bootstrap("cluster", "--env", "local", "--only", "salt")
    refused(run, ExitStatus.HOST_KEY, another_host_key, "SHA256:")


def test_a_silent_minion(restored: Cluster) -> None:
    on_node("edge-1", "systemctl kill --signal=STOP salt-minion")
    try:
        run = bootstrap("cluster", "--env", "local", "--only", "base")
    finally:
        on_node("edge-1", "systemctl kill --signal=CONT salt-minion")
    bootstrap("cluster", "--env", "local", "--only", "base").expect()  # and with that its late job has ended
    refused(run, ExitStatus.SALT, "edge-1")
    assert "agent-1" not in run.err.split("error:")[-1], "only the silent one is named"


def test_a_state_that_fails_on_one_node(restored: Cluster) -> None:
    path = on_node("edge-1", "ls /etc/systemd/journald.conf.d/*.conf")
    on_node("edge-1", f"rm {path} && mkdir {path}")
    run = bootstrap("cluster", "--env", "local", "--only", "base")
    on_node("edge-1", f"rm -r {path}")
    refused(run, ExitStatus.STATE, "edge-1", path)
    mended = bootstrap("cluster", "--env", "local", "--only", "base", "--json").expect()
    assert mended.document["phases"][0]["nodes"].keys() == {"edge-1"}


def test_a_port_that_is_taken(restored: Cluster) -> None:
    on_node("agent-2", "systemctl stop mesos-agent")
    on_node("agent-2", "systemd-run --unit=squatter python3 -m http.server 5051 --bind $(hostname -i)")
    wait_for("the port is taken", lambda: on_node("agent-2", "ss -Hltn sport = :5051", check=False), within=15)
    run = bootstrap("cluster", "--env", "local", "--only", "mesos-agent")
    on_node("agent-2", "systemctl stop squatter")
    refused(run, ExitStatus.STATE, "agent-2", "5051", "python3")
    bootstrap("cluster", "--env", "local", "--only", "mesos-agent").expect()


@pytest.fixture
def tiny_cache(tmp_path: Path) -> Iterator[Path]:
    """A cache folder with room for one megabyte."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_no_room_in_the_store(tiny_cache: Path) -> None:
    run = bootstrap("artifacts", "fetch", env={"UTOPIA_CACHE_DIR": str(tiny_cache)})
    refused(run, ExitStatus.DISK_FULL, str(tiny_cache))


def test_a_file_in_the_store_that_was_changed(local: Cluster, tmp_path: Path) -> None:
    store = tmp_path / "store"
    subprocess.run(["cp", "-a", paths.cache_dir() / "store", store], check=True)
    known = yaml.safe_load((paths.PILLAR / "artifacts.yaml").read_text())["artifacts"]["mesos-binary"]["sha256"]
    found = next(store.rglob(known))
    os.truncate(found, found.stat().st_size - 1)
    run = bootstrap("artifacts", "verify", env={"UTOPIA_CACHE_DIR": str(tmp_path)})
    refused(run, ExitStatus.ARTIFACT, "mesos-binary")


def test_a_source_that_is_gone(tmp_path: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0"}
    run = bootstrap("artifacts", "fetch", env={"UTOPIA_CACHE_DIR": str(tmp_path), **nowhere})
    refused(run, ExitStatus.ARTIFACT, "mesos")


def test_a_machine_that_is_killed_during_a_run(restored: Cluster, variant: Callable[..., str]) -> None:
    def change(topology: dict[str, Any]) -> None:
        topology["settings"] = {"base": {"journal_max_use": "150M"}}

    seen = len(list(read(paths.state_dir("local"))))
    process = start("cluster", "--env", variant("local", change), "--json", "--skip", "verify")
    wait_for("the run is in phase base", lambda: _phase_started("base", seen), within=120, every=0.01)
    subprocess.run(["docker", "kill", container("local", "edge-1")], check=True, capture_output=True)
    out, err = process.communicate(timeout=600)
    assert process.returncode in (ExitStatus.SALT, ExitStatus.UNREACHABLE, ExitStatus.MACHINES), err
    assert "edge-1" in err and "Traceback" not in err
    assert json.loads(out)["status"] == process.returncode
    bootstrap("cluster", "--env", "local").expect()


def _phase_started(phase: str, seen: int) -> bool:
    events = list(read(paths.state_dir("local")))[seen:]
    return any(event["event"] == "phase-start" and event["phase"] == phase for event in events)
