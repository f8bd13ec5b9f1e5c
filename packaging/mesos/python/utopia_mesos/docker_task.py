"""Docker tasks: `docker run`, attached, in the sandbox of this executor."""

from __future__ import annotations

import base64
import json
import math
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import probes
from .docker_client import CLIENT_FAILED, DockerClient, State
from .docker_run import RunSettings, compose, network_of
from .survival import Guard
from .task import DEFAULT_GRACE, Outcome, Running, Task, TaskError
from .values import Json, grace_period, log

POLL_SECONDS = 0.05
SLOW_POLL_SECONDS = 1.0
# How long a daemon may be silent about a container whose first process is gone as well.
SILENT_DAEMON_SECONDS = 60.0


class DockerTask(Task):
    """`stop_timeout`: seconds between TERM and KILL for tasks without a kill policy."""

    def __init__(self, info: Json, docker: DockerClient, settings: RunSettings, stop_timeout: float) -> None:
        self._info = info
        self._docker = docker
        self._settings = settings
        self._line = compose(info, settings)
        self._ended = threading.Event()
        self.default_grace = stop_timeout or DEFAULT_GRACE

    def run(self, started: Callable[[Running], None]) -> Outcome:
        grace = grace_period(self._info.get("kill_policy"))
        seconds = math.ceil(self.default_grace if grace is None else grace)
        guard = Guard(self._docker.command("stop", "-t", str(seconds), self._settings.container))
        try:
            try:
                client = self._docker.start(self._line.arguments, {**os.environ, **self._line.environment})
            except OSError as error:
                raise TaskError(f"Failed to run docker: {error}") from error
            state = self._watch_start(client, started)
            status = client.wait()
            if status == CLIENT_FAILED and state is not None:
                log("docker run lost its daemon; asking what became of the container")
                status = self._ask_daemon(state)
            return self._outcome(status, started=state is not None)
        finally:
            self._ended.set()
            guard.dismiss()

    def stop(self, grace: float) -> None:
        """Until it works: the container may not be there yet, or the daemon may be restarting."""
        while not self._ended.is_set():
            if self._docker.stop(math.ceil(grace)):
                return
            self._ended.wait(POLL_SECONDS * 2)

    def _watch_start(self, client: subprocess.Popen[bytes], started: Callable[[Running], None]) -> State | None:
        """Report the start as soon as the daemon does; None if the container never started."""
        while True:
            over = client.poll() is not None  # asked before the daemon: a short task has started as well
            state = self._docker.inspect()
            if state is not None and (state.running or state.started):
                started(self._running(state))
                return state
            if over:
                return None
            try:
                client.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def _running(self, state: State) -> Running:
        container = self._info["container"]
        address = state.address()
        details: Json = {}
        shown = without_secrets(state.inspected, set(self._line.environment))
        first: Json = {"data": base64.b64encode(json.dumps(shown).encode()).decode()}
        if address:
            network: Json = {
                "ip_addresses": [{"ip_address": address, "protocol": "IPv6" if ":" in address else "IPv4"}]
            }
            if container["docker"].get("network") == "USER":
                network["name"] = network_of(container)
            mappings = container["docker"].get("port_mappings", [])
            if mappings:
                network["port_mappings"] = mappings
            details["container_status"] = {"network_infos": [network]}
            first["labels"] = {"labels": [{"key": "Docker.NetworkSettings.IPAddress", "value": address}]}
        own_network = network_of(container) != "host"
        return Running(
            _Prober(self._docker, self._settings.container, state.pid if own_network else None), details, first
        )

    def _ask_daemon(self, state: State) -> int:
        """The exit code of a container that was running when the client lost its daemon."""
        silent_since: float | None = None
        while True:
            now = self._docker.inspect()
            if now is None:
                # Without a daemon, a container that lives on (live-restore) is known by its first process.
                silent_since = None if Path(f"/proc/{state.pid}").exists() else silent_since or time.monotonic()
                if silent_since is not None and time.monotonic() - silent_since > SILENT_DAEMON_SECONDS:
                    log("the Docker daemon is silent and the container's process is gone")
                    return CLIENT_FAILED
                time.sleep(SLOW_POLL_SECONDS)
            elif now.running:
                silent_since = None
                self._docker.attach()
                time.sleep(POLL_SECONDS)  # the end of the output comes a moment before the end of the state
            else:
                return now.exit_code

    def _outcome(self, status: int, *, started: bool) -> Outcome:
        if not started:
            return Outcome(status or CLIENT_FAILED, f"docker run failed with status {status}; see the sandbox's stderr")
        state = self._docker.inspect()
        if state is not None and state.out_of_memory:
            return Outcome(status, f"Container exited with status {status}: it ran out of memory")
        return Outcome(status, f"Container exited with status {status}")


def without_secrets(inspected: list[Any], names: set[str]) -> list[Any]:
    """The daemon's answer goes to the framework, but without the values of secret variables."""
    config = inspected[0].get("Config", {})
    kept = [variable for variable in config.get("Env") or [] if variable.partition("=")[0] not in names]
    return [{**inspected[0], "Config": {**config, "Env": kept}}, *inspected[1:]]


class _Prober:
    """Probes go to the loopback address inside the container's network; commands run in the container."""

    def __init__(self, docker: DockerClient, container: str, pid: int | None) -> None:
        self._docker = docker
        self._container = container
        self._pid = pid

    def http(self, scheme: str, port: int, path: str, timeout: float) -> int:
        self._enter()
        return probes.http_status(scheme, port, path, timeout)

    def tcp(self, port: int, timeout: float) -> None:
        self._enter()
        probes.tcp_connect(port, timeout)

    def command(self, command: Json, timeout: float) -> int:
        inside = ["sh", "-c", command.get("value", "")]
        if not command.get("shell", True):
            inside = [command["value"], *command.get("arguments", [])[1:]]
        return probes.exit_status(self._docker.command("exec", self._container, *inside), timeout)

    def _enter(self) -> None:
        """Every check has a thread of its own, which only needs the container's network."""
        if self._pid is not None:
            probes.enter_network_of(self._pid)
