"""The `bootstrap` command as a program, and ways to look at and break its machines: for tests and benchmarks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bootstrap import config
from bootstrap.errors import ExitStatus

# The environment that end-to-end tests use: `local`, or a topology of the same nodes at other addresses beside it.
SPEC = os.environ.get("UTOPIA_E2E_ENV", "local")
NAME = config.locate(SPEC).resolve().parent.name
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
    """Start the command and leave it running. It hears SIGINT even where the tests run in the background."""
    return subprocess.Popen(
        ["env", "--default-signal=INT", *BOOTSTRAP, *args],
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


def on_node(node: str, command: str, *, env: str = NAME, check: bool = True, timeout: float = 60) -> str:
    """Run a shell command in a machine, past SSH, so that faults can be made whatever state it is in."""
    result = subprocess.run(
        ["docker", "exec", container(env, node), "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=timeout,
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


def healthy(env: str = SPEC) -> bool:
    """Does `bootstrap status` find nothing wrong?"""
    return bootstrap("status", "--env", env, "--json", timeout=30).status == ExitStatus.OK
