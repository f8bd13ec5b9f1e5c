"""A run that is stopped in any phase, softly or hard, is continued by running it again."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from lab import bootstrap, say, start, wait_for

from bootstrap import config, paths, plan
from bootstrap.errors import ExitStatus
from bootstrap.journal import read

pytestmark = pytest.mark.e2e

PHASES = [phase.name for phase in plan.make(config.load("small")).phases]


@pytest.fixture(scope="module", params=["SIGINT", "SIGKILL"])
def stop_with(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """The three machines of `small` from nothing, once per way of stopping; nothing is left of them."""
    bootstrap("destroy", "--env", "small", "--state").expect()
    yield signal.Signals[request.param]
    bootstrap("destroy", "--env", "small", "--state").expect()


def test_every_phase_can_be_stopped(stop_with: signal.Signals) -> None:
    """Each run begins where something is left to do and is stopped one phase further on; the last ends well."""
    for phase in PHASES:
        status = _stop_in(phase, stop_with)
        if stop_with is signal.SIGINT:
            assert status in (ExitStatus.INTERRUPTED, ExitStatus.OK), f"stopped in {phase}: exit {status}"
        say(f"stopped in {phase} by {stop_with.name}: exit {status}")
    run = bootstrap("cluster", "--env", "small", "--json").expect()
    say(f"continued to the end in {run.seconds:.1f} s")
    again = bootstrap("cluster", "--env", "small", "--json").expect()
    assert again.document["changes"] == 0
    bootstrap("status", "--env", "small").expect()


def _stop_in(phase: str, how: signal.Signals) -> int:
    """Start a run and stop it as soon as its journal says that it is in `phase`; its exit status."""
    events = _events()
    seen = len(events)
    ended = {event["name"] for event in events if event["event"] == "phase-end" and not event["error"]}
    # Phases that wait for nothing that was left may have ended in an earlier run, this one among them.
    first = next(name for name in PHASES if name not in ended or name == phase)
    process = start("cluster", "--env", "small", "--json", "--from", first)
    deadline = time.monotonic() + 900
    while not _in_phase(_events()[seen:], phase):
        if process.poll() is not None or time.monotonic() > deadline:
            out, err = process.communicate(timeout=30)
            pytest.fail(f"the run ended before phase {phase}: exit {process.returncode}\n{out}\n{err[-4000:]}")
        time.sleep(0.01)
    process.send_signal(how)
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"{how.name} in phase {phase} did not end the run within 30 s")
    return process.returncode


def _events() -> list[dict[str, Any]]:
    return list(read(paths.state_dir("small")))


def _in_phase(events: list[dict[str, Any]], phase: str) -> bool:
    return any(event["event"] == "phase-start" and event["phase"] == phase for event in events)


def test_two_runs_at_once_are_refused(stop_with: signal.Signals) -> None:
    seen = len(_events())
    first = start("cluster", "--env", "small", "--json")
    try:
        wait_for("the first run is at work", lambda: _in_phase(_events()[seen:], PHASES[0]), within=60, every=0.01)
        run = bootstrap("cluster", "--env", "small", "--json").expect(ExitStatus.BUSY)
        assert str(first.pid) in json.dumps(run.document)
    finally:
        first.communicate(timeout=900)
    assert first.returncode == ExitStatus.OK
