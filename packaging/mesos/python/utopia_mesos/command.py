"""Command tasks: a process in the container that the agent has set up around this executor."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from . import probes
from .output import Output
from .task import Outcome, Running, Task, TaskError
from .values import Json, plain_variables, secret_variables

POLL_SECONDS = 0.05


def arguments_of(command: Json) -> tuple[str, list[str]]:
    """(program, argument list) of a CommandInfo; ValueError if it names no program."""
    value = command.get("value", "")
    if command.get("shell", True):
        if not value:
            raise ValueError("the command has no value")
        return "/bin/sh", ["sh", "-c", value]
    arguments = list(command.get("arguments", []))
    if not value:
        raise ValueError("the command has no value, and a command task has no image whose program could be meant")
    return value, arguments or [value]


class CommandTask(Task):
    """The agent has switched to the task's user and folder before it started us."""

    def __init__(self, info: Json) -> None:
        self._info = info
        self._process: subprocess.Popen[bytes] | None = None
        command = info.get("command", {})
        self._environment = {**os.environ, **plain_variables(command), **secret_variables(command)}
        if "image" in info.get("container", {}).get("mesos", {}):
            raise TaskError("images are run by the Docker containerizer only (container type DOCKER)")

    def run(self, started: Callable[[Running], None]) -> Outcome:
        output = Output(self._environment, Path.cwd())
        try:
            program, arguments = arguments_of(self._info.get("command", {}))
            self._process = subprocess.Popen(
                arguments,
                executable=program,
                env=self._environment,
                stdout=output.files[0],
                stderr=output.files[1],
                start_new_session=True,
                restore_signals=True,
            )
        except (OSError, ValueError) as error:
            output.abandon()
            raise TaskError(f"Failed to start the command: {error}") from error
        output.begin()
        process = self._process
        started(Running(prober=_Prober(self._environment)))
        status = process.wait()
        _signal_group(process.pid, signal.SIGKILL)  # what it left behind in its session
        output.end()
        if status < 0:
            return Outcome(status, f"Command terminated with signal {signal.strsignal(-status) or -status}")
        return Outcome(status, f"Command exited with status {status}")

    def stop(self, grace: float) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        tree = descendants(process.pid)
        _signal_all(process.pid, tree, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        _signal_all(process.pid, tree | descendants(process.pid), signal.SIGKILL)


class _Prober:
    """The task shares this executor's network and file system."""

    http = staticmethod(probes.http_status)
    tcp = staticmethod(probes.tcp_connect)

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def command(self, command: Json, timeout: float) -> int:
        program, arguments = arguments_of(command)
        environment = {**self._environment, **plain_variables(command), **secret_variables(command)}
        return probes.exit_status(arguments, timeout, environment, program)


def descendants(pid: int) -> set[int]:
    """Processes below `pid`, also those that made themselves a session of their own."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # pid (name) state parent ...; the name may hold anything, but the last ) ends it
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = [child for child in children.get(waiting.pop(), []) if child not in found]
        found.update(below)
        waiting.extend(below)
    return found


def _signal_all(leader: int, others: Iterable[int], number: signal.Signals) -> None:
    _signal_group(leader, number)
    for pid in others:
        try:
            if os.getpgid(pid) != leader:
                os.kill(pid, number)
        except (ProcessLookupError, PermissionError):  # gone, or another user's: the agent ends the container
            continue


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return
