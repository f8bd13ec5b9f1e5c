"""What the end-to-end tests share: the `bootstrap` command as a program, and the cluster `local`, made once.

Every test leaves the cluster healthy; `restored` waits for that with `bootstrap status`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootstrap import config, paths
from bootstrap.errors import ExitStatus
from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

BOOTSTRAP = (sys.executable, "-m", "bootstrap.cli")


@dataclass(frozen=True)
class Run:
    """A finished `bootstrap` command."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed."""
        return dict(json.loads(self.out))

    def expect(self, status: ExitStatus = ExitStatus.OK) -> Run:
        """Fail the test with everything that was said unless the exit status is as expected."""
        assert self.status == status, f"exit {self.status}, expected {status!r}\n{self.out[-4000:]}\n{self.err[-6000:]}"
        return self


def bootstrap(*args: str, timeout: float = 1500, env: dict[str, str] | None = None) -> Run:
    """Run the command to its end; what it says about progress is shown as it comes."""
    started = time.monotonic()
    process = start(*args, env=env)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        pytest.fail(f"bootstrap {' '.join(args)} did not end within {timeout} s\n{err[-4000:]}")
    return Run(process.returncode, out, err, time.monotonic() - started)


def start(*args: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the command and leave it running."""
    return subprocess.Popen(
        [*BOOTSTRAP, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )


def say(text: str) -> None:
    """A line on the terminal even while pytest captures: slow parts tell how far they are."""
    print(f"      {text}", file=sys.__stderr__, flush=True)


def container(env: str, node: str) -> str:
    """The name of a node's container."""
    return f"utopia-{env}-{node}"


def on_node(node: str, command: str, *, env: str = "local", check: bool = True) -> str:
    """Run a shell command in a machine, past SSH, so that faults can be made whatever state it is in."""
    result = subprocess.run(
        ["docker", "exec", container(env, node), "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if check:
        assert result.returncode == 0, f"{node}: {command}\n{result.stdout}{result.stderr}"
    return result.stdout.strip()


def wait_for(what: str, probe: Callable[[], Any], *, within: float, every: float = 0.3) -> Any:
    """Poll until `probe` gives something true; fails at the bound with the last answer. Returns that something."""
    deadline = time.monotonic() + within
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {within} s; last answer: {found!r}")
        time.sleep(every)


def healthy(env: str = "local") -> bool:
    """Does `bootstrap status` find nothing wrong?"""
    return bootstrap("status", "--env", env, "--json", timeout=30).status == ExitStatus.OK


@pytest.fixture(scope="session")
def local() -> Cluster:
    """The cluster `local`, converged by the command that a person would use."""
    say("bootstrap cluster --env local")
    run = bootstrap("cluster", "--env", "local", "--json").expect()
    phases = ", ".join(f"{phase['name']} {phase['seconds']:.1f}" for phase in run.document["phases"])
    say(f"{run.document['changes']} changes in {run.seconds:.1f} s ({phases})")
    return config.load("local")


@pytest.fixture
def restored(local: Cluster) -> Iterator[Cluster]:
    """The healthy cluster, and after the test the same again, without any help."""
    wait_for("the cluster is healthy before the test", healthy, within=120)
    yield local
    wait_for("the cluster recovered by itself", healthy, within=180)


@pytest.fixture
def operator(local: Cluster) -> str:
    """Login of the Mesos HTTP APIs, as `user:password`."""
    return f"operator:{Secrets(local.env).value('mesos-operator')}"


@pytest.fixture
def variant(tmp_path: Path) -> Callable[..., str]:
    """A copy of an environment's topology with some keys replaced; the same name, hence the same machines."""

    def make(env: str, change: Callable[[dict[str, Any]], None]) -> str:
        topology = yaml.safe_load((paths.PILLAR / "env" / env / "cluster.yaml").read_text())
        change(topology)
        folder = tmp_path / env
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "cluster.yaml").write_text(yaml.safe_dump(topology))
        return str(folder / "cluster.yaml")

    return make
