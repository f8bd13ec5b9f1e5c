"""The docker program, one process per command, as the agent itself uses it (--docker may be a wrapper).

What is only asked is asked of the daemon itself: the program takes 40 ms of CPU time for a question that takes one.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .values import log

ANSWER_SECONDS = 30.0
# The docker client's own failure; also what `docker run` ends with when its daemon goes away.
CLIENT_FAILED = 125


@dataclass(frozen=True)
class State:
    """What the daemon knows of a container. `pid` is 0 unless it runs."""

    running: bool
    started: bool
    pid: int
    exit_code: int
    out_of_memory: bool
    inspected: list[Any]

    @classmethod
    def of(cls, inspected: list[Any]) -> State:
        state = inspected[0]["State"]
        return cls(
            running=bool(state["Running"]),
            started=not str(state.get("StartedAt", "")).startswith("0001-"),
            pid=int(state.get("Pid", 0)),
            exit_code=int(state.get("ExitCode", 0)),
            out_of_memory=bool(state.get("OOMKilled")),
            inspected=inspected,
        )

    def address(self) -> str:
        """IP address; from the first network that has one where the daemon gives no overall one."""
        settings = self.inspected[0].get("NetworkSettings", {})
        networks = (settings.get("Networks") or {}).values()
        return settings.get("IPAddress") or next((n["IPAddress"] for n in networks if n.get("IPAddress")), "")


class _Daemon(http.client.HTTPConnection):
    """The daemon's API over its socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class DockerClient:
    """Commands about one container."""

    def __init__(self, program: str, socket_path: str, container: str) -> None:
        self._docker = [program, "-H", f"unix://{socket_path}"]
        self._socket = socket_path
        self._container = container

    def command(self, *arguments: str) -> list[str]:
        """The complete argument list of a docker command."""
        return [*self._docker, *arguments]

    def start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """`docker run` or `attach`, with the sandbox's files as output."""
        return subprocess.Popen(
            self.command(*arguments), stdin=subprocess.DEVNULL, env=environment, start_new_session=True
        )

    def attach(self) -> None:
        """Follow the container's output to its end, or until the daemon goes away."""
        arguments = self.command("attach", "--no-stdin", "--sig-proxy=false", self._container)
        subprocess.run(arguments, stdin=subprocess.DEVNULL, check=False)

    def inspect(self) -> State | None:
        """None if there is no such container, or no daemon that answers."""
        daemon = _Daemon(self._socket)
        try:
            daemon.request("GET", f"/containers/{urllib.parse.quote(self._container)}/json")
            response = daemon.getresponse()
            answer = response.read()
        except TimeoutError:
            log(f"the Docker daemon did not answer within {ANSWER_SECONDS:g} s")
            return None
        except (OSError, http.client.HTTPException):  # it is not there, or ended while it was asked
            return None
        finally:
            daemon.close()
        return State.of([json.loads(answer)]) if response.status == http.HTTPStatus.OK else None

    def stop(self, grace: int) -> bool:
        """True if the container was there and is stopped now."""
        done = self._ask("stop", "-t", str(grace), self._container, seconds=grace + ANSWER_SECONDS)
        return done is not None and done.returncode == 0

    def _ask(self, *arguments: str, seconds: float = ANSWER_SECONDS) -> subprocess.CompletedProcess[bytes] | None:
        try:
            return subprocess.run(
                self.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            log(f"docker {arguments[0]} did not answer within {seconds:g} s")
            return None
