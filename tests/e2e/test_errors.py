"""Each way in which a run can fail, made for real: the exit status, what is said, and that the next run mends it."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from lab import BOOTSTRAP, NAME, SPEC, Run, bootstrap, container, on_node, start, wait_for

from bootstrap import config, paths, ssh_config
from bootstrap.drivers.docker_cli import docker, inspect
from bootstrap.drivers.docker_machine import create_arguments
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


NOBODY = 65534
# Nobody, who may read everything (the Python of a test may lie in the home of root) and nothing else.
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--"),
)
# A file system tree of its own, in which the kernel shows cgroup v2 alone.
ON_CGROUP_V2 = ("unshare", "--mount", "sh", "-c", 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"', "sh")


def refused(run: Run, status: ExitStatus, *words: str) -> None:
    """The run ended with `status`, said these words, named a next step, and showed no traceback."""
    run.expect(status)
    said = run.out + run.err
    assert "Traceback" not in said
    assert "next:" in run.err
    for word in words:
        assert word in said, f"'{word}' is missing in:\n{run.err[-3000:]}"


def run_as(prefix: tuple[str, ...], *args: str, env: dict[str, str]) -> Run:
    """The `bootstrap` command behind another program, which changes who or where it is."""
    began = time.monotonic()
    done = subprocess.run(
        [*prefix, *BOOTSTRAP, *args],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        cwd=paths.CHECKOUT,
        timeout=300,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which everything that is kept is nobody's."""
    folder = tmp_path / "home"
    (folder / "bin").mkdir(parents=True)
    for path in (folder, folder / "bin"):
        os.chown(path, NOBODY, NOBODY)
    return {"HOME": str(folder), "UTOPIA_STATE_DIR": f"{folder}/state", "UTOPIA_CACHE_DIR": f"{folder}/cache"}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """The topology `small` under a name and a network of its own; whatever was made of it goes."""
    path = tmp_path / "fresh" / "cluster.yaml"
    path.parent.mkdir()
    text = (paths.PILLAR / "env" / "small" / "cluster.yaml").read_text()
    path.write_text(text.replace(str(config.load("small").network).rpartition(".")[0], "172.30.44"))
    yield path
    bootstrap("destroy", "--env", str(path), "--state").expect()


def test_no_engine_and_no_right_to_install_one(home: dict[str, str], fresh: Path) -> None:
    without_docker = {**home, "PATH": f"{home['HOME']}/bin"}
    run = run_as((shutil.which("setpriv") or "", *AS_NOBODY[1:]), "cluster", "--env", str(fresh), env=without_docker)
    refused(run, ExitStatus.ENGINE, "not installed: docker.io", "sudo apt-get install")


def test_an_engine_that_is_not_there_to_answer(home: dict[str, str], fresh: Path) -> None:
    dead = {**home, "DOCKER_HOST": "unix:///run/no-such-engine.sock"}
    refused(run_as(AS_NOBODY, "cluster", "--env", str(fresh), env=dead), ExitStatus.ENGINE, dead["DOCKER_HOST"])


def test_an_engine_that_this_user_may_not_use(local: Cluster, home: dict[str, str], fresh: Path) -> None:
    run = run_as(AS_NOBODY, "cluster", "--env", str(fresh), env=home)
    refused(run, ExitStatus.ENGINE, "this user may not use it", "adduser")


@pytest.mark.skipif(Path("/sys/fs/cgroup/cgroup.controllers").exists(), reason="this machine has cgroup v2 itself")
def test_a_kernel_without_cgroup_v1(local: Cluster, fresh: Path) -> None:
    run = run_as(ON_CGROUP_V2, "cluster", "--env", str(fresh), env={})
    refused(run, ExitStatus.PREFLIGHT, "cgroup v2 alone", "systemd.unified_cgroup_hierarchy=0", "agent-1")
    assert "fresh" not in docker("container", "ls", "--all", "--format={{.Names}}"), "nothing was made"


def test_the_engine_takes_the_arguments_for_cgroup_v2(local: Cluster) -> None:
    """It takes them; whether systemd boots with them, only a machine with cgroup v2 can tell."""
    node = replace(local.nodes[0], name="probe")
    arguments = create_arguments(local, node, cgroup_v2=True)
    image = inspect("container", [container(NAME, local.nodes[0].name)])[0]["Config"]["Image"]
    made = docker("create", *arguments, image)
    try:
        found = inspect("container", [made])[0]["HostConfig"]
    finally:
        docker("rm", made)
    assert (found["Privileged"], found["CgroupnsMode"], found["Binds"]) == (True, "private", None)


def test_a_state_folder_that_was_lost(restored: Cluster, tmp_path: Path) -> None:
    lost = {"UTOPIA_STATE_DIR": str(tmp_path / "new")}
    refused(bootstrap("cluster", "--env", SPEC, env=lost), ExitStatus.MACHINES, "control-1", "UTOPIA_STATE_DIR")
    # The SSH key was saved, all else is lost: the machines let us in, and are left as they are.
    shutil.rmtree(tmp_path / "new")
    shutil.copytree(paths.state_dir(NAME) / "ssh", tmp_path / "new" / NAME / "ssh")
    run = bootstrap("cluster", "--env", SPEC, env=lost)
    refused(run, ExitStatus.SALT, "another state folder", "UTOPIA_STATE_DIR")
    for words in (["preflight"], ["verify"], ["status"], ["ssh", "control-1"]):
        run = bootstrap(words[0], "--env", SPEC, *words[1:], env=lost)
        refused(run, ExitStatus.SALT, "admin-1 was set up with another state folder", "UTOPIA_STATE_DIR")
    unharmed = bootstrap("cluster", "--env", SPEC, "--json").expect()
    assert unharmed.document["changes"] == 0


def test_two_environments_of_one_name(local: Cluster, tmp_path: Path) -> None:
    other = tmp_path / NAME / "cluster.yaml"
    other.parent.mkdir()
    text = config.locate(SPEC).read_text()
    other.write_text(text.replace(str(local.network).rpartition(".")[0], "172.30.45"))
    for command in ("cluster", "destroy", "preflight", "verify", "status"):
        refused(bootstrap(command, "--env", str(other)), ExitStatus.USAGE, "another environment", str(other))
    other.write_text("nodes: [")
    refused(bootstrap("destroy", "--env", str(other)), ExitStatus.USAGE, "another environment", str(other))


def test_machines_whose_file_was_broken_can_be_removed(local: Cluster, fresh: Path) -> None:
    bootstrap("cluster", "--env", str(fresh), "--only", "machines").expect()
    made = config.load(str(fresh))
    fresh.write_text("nodes: [")
    run = bootstrap("destroy", "--env", str(fresh), "--json").expect()
    assert set(run.document["removed"]) == {*(container("fresh", node.name) for node in made.nodes), "utopia-fresh"}


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
    ssh_config.close_masters(NAME)
    run = bootstrap("cluster", "--env", SPEC, "--only", "salt")
    refused(run, ExitStatus.HOST_KEY, another_host_key, "SHA256:")


def test_a_silent_minion(restored: Cluster) -> None:
    on_node("edge-1", "systemctl kill --signal=STOP salt-minion")
    try:
        run = bootstrap("cluster", "--env", SPEC, "--only", "base")
    finally:
        on_node("edge-1", "systemctl kill --signal=CONT salt-minion")
    bootstrap("cluster", "--env", SPEC, "--only", "base").expect()  # and with that its late job has ended
    refused(run, ExitStatus.SALT, "edge-1")
    assert "agent-1" not in run.err.split("error:")[-1], "only the silent one is named"


def test_a_state_that_fails_on_one_node(restored: Cluster) -> None:
    path = on_node("edge-1", "ls /etc/systemd/journald.conf.d/*.conf")
    on_node("edge-1", f"rm {path} && mkdir {path}")
    run = bootstrap("cluster", "--env", SPEC, "--only", "base")
    on_node("edge-1", f"rm -r {path}")
    refused(run, ExitStatus.STATE, "edge-1", path)
    mended = bootstrap("cluster", "--env", SPEC, "--only", "base", "--json").expect()
    assert mended.document["phases"][0]["nodes"].keys() == {"edge-1"}


def test_a_port_that_is_taken(restored: Cluster) -> None:
    on_node("agent-2", "systemctl stop mesos-agent")
    on_node("agent-2", "systemd-run --unit=squatter python3 -m http.server 5051 --bind $(hostname -i)")
    wait_for("the port is taken", lambda: on_node("agent-2", "ss -Hltn sport = :5051", check=False), within=15)
    run = bootstrap("cluster", "--env", SPEC, "--only", "mesos-agent")
    on_node("agent-2", "systemctl stop squatter")
    refused(run, ExitStatus.STATE, "agent-2", "5051", "python3")
    bootstrap("cluster", "--env", SPEC, "--only", "mesos-agent").expect()


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


@pytest.fixture
def forging_mirror() -> Iterator[str]:
    """A mirror that gives, for every file, as many bytes as were asked for, and other ones."""
    known = yaml.safe_load((paths.PILLAR / "artifacts.yaml").read_text())["artifacts"]["mesos-binary"]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(known["size"]))
            self.end_headers()
            self.wfile.write(bytes(known["size"]))

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_source_that_gives_another_file(tmp_path: Path, forging_mirror: str) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0"}
    env = {"UTOPIA_CACHE_DIR": str(tmp_path), "UTOPIA_MIRROR": forging_mirror, **nowhere}
    known = yaml.safe_load((paths.PILLAR / "artifacts.yaml").read_text())["artifacts"]["mesos-binary"]["sha256"]
    run = bootstrap("artifacts", "fetch", "mesos-binary", env=env)
    refused(run, ExitStatus.ARTIFACT, "checksum", f"is not {known}")
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 1 << 20] == []


def test_a_machine_that_is_killed_during_a_run(restored: Cluster, variant: Callable[..., str]) -> None:
    def change(topology: dict[str, Any]) -> None:
        topology["settings"]["base"] = {"journal_max_use": "150M"}

    seen = len(list(read(paths.state_dir(NAME))))
    process = start("cluster", "--env", variant(SPEC, change), "--json", "--skip", "verify")
    wait_for("the run is in phase base", lambda: _phase_started("base", seen), within=120, every=0.01)
    subprocess.run(["docker", "kill", container(NAME, "edge-1")], check=True, capture_output=True)
    out, err = process.communicate(timeout=600)
    assert process.returncode in (ExitStatus.SALT, ExitStatus.UNREACHABLE, ExitStatus.MACHINES), err
    assert "edge-1" in err and "Traceback" not in err
    assert json.loads(out)["status"] == process.returncode
    bootstrap("cluster", "--env", SPEC).expect()


def _phase_started(phase: str, seen: int) -> bool:
    events = list(read(paths.state_dir(NAME)))[seen:]
    return any(event["event"] == "phase-start" and event["phase"] == phase for event in events)
