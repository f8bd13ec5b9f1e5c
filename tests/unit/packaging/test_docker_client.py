"""What the executor makes of the daemon's answers, of a server on a socket that gives them."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from utopia_mesos import docker_client
from utopia_mesos.docker_client import DockerClient

RUNNING: dict[str, Any] = {"State": {"Running": True, "StartedAt": "2026-01-01T00:00:00Z", "Pid": 7, "ExitCode": 0}}
CREATED: dict[str, Any] = {"State": {"Running": False, "StartedAt": "0001-01-01T00:00:00Z", "Pid": 0, "ExitCode": 0}}
KNOWN = {"/containers/runs/json": RUNNING, "/containers/waits/json": CREATED}


class _Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = KNOWN.get(self.path)
        self.send_response(404 if found is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(found or {"message": "No such container"}).encode())

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "docker.sock")
    with _Daemon(path, _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield path
        server.shutdown()


def test_a_container_that_runs(daemon: str) -> None:
    state = DockerClient("docker", daemon, "runs").inspect()
    assert state
    assert (state.running, state.started, state.pid) == (True, True, 7)
    assert state.inspected == [RUNNING]  # as `docker inspect` prints it


def test_a_container_that_is_only_made(daemon: str) -> None:
    state = DockerClient("docker", daemon, "waits").inspect()
    assert state
    assert (state.running, state.started) == (False, False)


def test_no_such_container(daemon: str) -> None:
    assert DockerClient("docker", daemon, "other").inspect() is None


def test_no_daemon(tmp_path: Path) -> None:
    assert DockerClient("docker", str(tmp_path / "none.sock"), "runs").inspect() is None


def test_a_daemon_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "docker.sock"
    monkeypatch.setattr(docker_client, "ANSWER_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        assert DockerClient("docker", str(path), "runs").inspect() is None
    assert "did not answer within 0.2 s" in "".join(capfd.readouterr())
