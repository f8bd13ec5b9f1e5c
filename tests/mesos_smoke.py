"""The smoke of a Mesos cluster: a command and a Docker task on every agent, to their end.

Run by the contracts of tests/roles, beside other checks: most of its time is waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mesos_framework import MesosFramework

SECONDS = 60  # for all tasks together
PRINCIPAL = "marathon"
# The sandbox of the task is mounted, and is a folder of its own.
IN_CONTAINER = 'echo proof > "$MESOS_SANDBOX/proof" && test -s "$MESOS_SANDBOX/proof"'


@dataclass(frozen=True)
class Smoke:
    """How the tasks ended: (node, kind) -> "" or why not well; `tasks`: their ids."""

    ends: dict[tuple[str, str], str]
    tasks: frozenset[str]


def run(masters: str, secret: str, nodes: Sequence[str], image: str) -> Smoke:
    """Launch on all nodes at once, wait for all, tear the framework down. Failures are in the result."""
    launched: dict[tuple[str, str], str] = {}
    ends: dict[tuple[str, str], str] = {}
    end = time.monotonic() + SECONDS
    with MesosFramework(masters, PRINCIPAL, secret) as framework:
        launch: dict[str, Callable[[str], str]] = {
            "command": lambda node: framework.launch_command(node, f'test "$(hostname)" = {node} && pwd'),
            "docker": lambda node: framework.launch_docker(node, image, IN_CONTAINER),
        }
        for key in ((node, kind) for kind in launch for node in nodes):
            try:
                assert time.monotonic() < end, "not tried: the agents before it took all the time"
                launched[key] = launch[key[1]](key[0])
            except AssertionError as error:
                ends[key] = _first_line(error)
        for key, task in launched.items():
            try:
                framework.wait(task, "TASK_FINISHED", max(1.0, end - time.monotonic()))
                ends[key] = ""
            except AssertionError as error:
                ends[key] = f"{_first_line(error)}; see its sandbox under /var/lib/mesos/agent/slaves"
    return Smoke(ends, frozenset(launched.values()))


def _first_line(error: AssertionError) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]
