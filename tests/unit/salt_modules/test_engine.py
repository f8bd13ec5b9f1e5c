"""The Docker engine over its socket, and images that are loaded once."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest


@pytest.fixture
def engine(load, tmp_path):
    """The module, talking to a server on a Unix socket that holds one image."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = {"/version": {"Version": "20.10.24"}, "/images/utopia/task%3A1/json": {"Id": "sha256:1"}}
            body = json.dumps(known.get(self.path, {})).encode()
            status = 200 if self.path in known else 500 if "broken" in self.path else 404
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self):
            return "a client"

        def log_message(self, *_arguments):
            pass

    server = socketserver.UnixStreamServer(str(tmp_path / "docker.sock"), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    module = load("_modules/engine")
    module.SOCKET = str(tmp_path / "docker.sock")
    yield module
    server.shutdown()
    server.server_close()


def test_version(engine):
    assert engine.version() == "20.10.24"


def test_images(engine):
    assert engine.has_image("utopia/task:1") is True
    assert engine.has_image("utopia/task:2") is False
    with pytest.raises(OSError, match="status 500"):
        engine.has_image("broken:1")


def test_no_engine(load, tmp_path):
    module = load("_modules/engine")
    module.SOCKET = str(tmp_path / "nothing.sock")
    with pytest.raises(OSError):
        module.version()


class Engine:
    def __init__(self, *, holds=False, retcode=0, gives=True):
        self.holds, self.retcode, self.gives = holds, retcode, gives
        self.commands = []

    def load(self, command, python_shell):
        self.commands.append(command)
        self.holds = self.gives and not self.retcode
        return {"retcode": self.retcode, "stdout": "", "stderr": "no space left" if self.retcode else ""}

    def functions(self):
        return {"engine.has_image": lambda _image: self.holds, "cmd.run_all": self.load}


def test_an_image_is_loaded_once(load):
    docker = Engine()
    state = load("_states/engine", salt=docker.functions())
    assert state.loaded("task:1", "/cache/task.tar")["changes"] == {"image": "task:1"}
    assert state.loaded("task:1", "/cache/task.tar")["changes"] == {}
    assert docker.commands == [["docker", "load", "--input", "/cache/task.tar"]]


@pytest.mark.parametrize("docker", [Engine(retcode=1), Engine(gives=False)])
def test_an_archive_without_the_image_fails(load, docker):
    result = load("_states/engine", salt=docker.functions()).loaded("task:1", "/cache/task.tar")
    assert result["result"] is False
    assert "did not give the image task:1" in result["comment"]


def test_a_dry_run_loads_nothing_even_without_an_engine(load):
    def gone(_image):
        raise FileNotFoundError("no socket")

    state = load("_states/engine", salt={"engine.has_image": gone}, test=True)
    assert state.loaded("task:1", "/cache/task.tar")["result"] is None
    assert load("_states/engine", salt={"engine.has_image": gone}).loaded("task:1", "/x")["result"] is False
