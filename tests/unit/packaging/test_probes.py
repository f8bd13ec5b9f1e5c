"""Probes of real servers on the loopback address."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from utopia_mesos import probes

from bootstrap.certificates import Authority


class _Answers(BaseHTTPRequestHandler):
    """`/STATUS` is answered with that status; `/to-PORT` leads to the same address by TLS."""

    def do_GET(self) -> None:
        target = self.path.lstrip("/")
        if target.startswith("to-"):
            self.send_response(302)
            self.send_header("Location", f"https://127.0.0.1:{target.removeprefix('to-')}/200")
        else:
            self.send_response(int(target))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _serve(context: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def plain() -> Iterator[int]:
    server = _serve()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server whose certificate nobody here trusts."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    files = [tmp_path / "crt", tmp_path / "key"]
    for file, content in zip(files, Authority("probes").issue("task", ["elsewhere"], []), strict=True):
        file.write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    server = _serve(context)
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [200, 204, 404, 500])
def test_status(plain: int, status: int) -> None:
    assert probes.http_status("http", plain, f"/{status}", 5) == status


def test_a_certificate_is_not_verified(encrypted: int) -> None:
    assert probes.http_status("https", encrypted, "200", 5) == 200


def test_a_redirect_to_tls_is_followed(plain: int, encrypted: int) -> None:
    assert probes.http_status("http", plain, f"to-{encrypted}", 5) == 200


def test_no_authorities_are_read(plain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them costs twenty times what the probe costs, every few seconds, for each task."""
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: pytest.fail("authorities were read"))
    assert probes.http_status("http", plain, "/200", 5) == 200
