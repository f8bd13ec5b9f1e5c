"""The fetcher against a small web server."""

import base64
import gzip
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from utopia_mesos import fetcher


def tar_bytes(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        member = tarfile.TarInfo("inside/a.txt")
        member.size, member.mode = 3, 0o750
        archive.addfile(member, io.BytesIO(b"tar"))
    return buffer.getvalue()


def zip_bytes() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inside/z.txt", "zip")
    return buffer.getvalue()


FILES = {
    "/plain.txt": b"plain",
    "/a.tar.gz": tar_bytes("w:gz"),
    "/a.tar": tar_bytes("w:"),
    "/z.zip": zip_bytes(),
    "/g.txt.gz": gzip.compress(b"unpacked"),
    "/broken.tgz": b"no archive",
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        if path == "/stalled":
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"12345")
            self.server.over.wait(10)  # type: ignore[attr-defined]
            self.close_connection = True
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"12345")
            self.close_connection = True
        elif path in FILES:
            self.send_response(200)
            self.send_header("Content-Length", str(len(FILES[path])))
            self.end_headers()
            self.wfile.write(FILES[path])
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.over = [], threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(tmp_path: Path, server: Any) -> Any:
    """Calls main() with one item; (status, sandbox)."""

    def fetch(path: str, *, action: str = "BYPASS_CACHE", cache: str | None = None, **uri: Any) -> tuple[int, Path]:
        sandbox = tmp_path / "sandbox"
        sandbox.mkdir(exist_ok=True)
        value = path if "://" in path or not path.startswith("/") else f"http://127.0.0.1:{server.server_port}{path}"
        item = {"action": action, "uri": {"value": value, **uri}}
        if cache:
            item["cache_filename"] = cache
        info = {"sandbox_directory": str(sandbox), "cache_directory": str(tmp_path / "cache"), "items": [item]}
        info["stall_timeout"] = {"nanoseconds": 300_000_000}
        return fetcher.main({"MESOS_FETCHER_INFO": json.dumps(info)}), sandbox

    return fetch


def test_a_plain_file(fetch: Any) -> None:
    status, sandbox = fetch("/plain.txt?version=1")
    assert status == 0
    assert [path.name for path in sandbox.iterdir()] == ["plain.txt"]
    assert (sandbox / "plain.txt").read_bytes() == b"plain"


def test_a_program_under_another_name(fetch: Any) -> None:
    status, sandbox = fetch("/plain.txt", executable=True, output_file="bin/tool")
    assert status == 0
    assert (sandbox / "bin/tool").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("path", "inside", "content"),
    [
        ("/a.tar.gz", "inside/a.txt", "tar"),
        ("/a.tar", "inside/a.txt", "tar"),
        ("/z.zip", "inside/z.txt", "zip"),
        ("/g.txt.gz", "g.txt", "unpacked"),
    ],
)
def test_archives_are_unpacked(fetch: Any, path: str, inside: str, content: str) -> None:
    status, sandbox = fetch(path)
    assert status == 0
    assert (sandbox / inside).read_text() == content


def test_an_archive_as_it_is(fetch: Any) -> None:
    status, sandbox = fetch("/a.tar.gz", extract=False)
    assert status == 0
    assert [path.name for path in sandbox.iterdir()] == ["a.tar.gz"]


def test_the_cache_is_filled_once_and_read_again(fetch: Any, server: Any, tmp_path: Path) -> None:
    for action in ("DOWNLOAD_AND_CACHE", "RETRIEVE_FROM_CACHE"):
        status, sandbox = fetch("/a.tar.gz", action=action, cache="c1-a.tar.gz")
        assert status == 0
        assert (sandbox / "inside/a.txt").read_text() == "tar"
        (sandbox / "inside/a.txt").unlink()
    assert [path for path, _ in server.asked] == ["/a.tar.gz"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["c1-a.tar.gz"]


def test_a_cached_program(fetch: Any) -> None:
    status, sandbox = fetch("/plain.txt", action="DOWNLOAD_AND_CACHE", cache="c2", executable=True)
    assert status == 0
    assert (sandbox / "plain.txt").stat().st_mode & 0o777 == 0o755


def test_local_files(fetch: Any, tmp_path: Path) -> None:
    (tmp_path / "local.txt").write_text("local")
    status, sandbox = fetch(f"file://{tmp_path}/local.txt")
    assert status == 0
    assert (sandbox / "local.txt").read_text() == "local"


def test_user_and_password_are_sent_and_not_shown(fetch: Any, server: Any, capfd: pytest.CaptureFixture[str]) -> None:
    status, _ = fetch(f"http://me:open%2Fsesame@127.0.0.1:{server.server_port}/plain.txt?token=hidden")
    assert status == 0
    sent = base64.b64encode(b"me:open/sesame").decode()
    assert server.asked == [("/plain.txt?token=hidden", f"Basic {sent}")]
    shown = "".join(capfd.readouterr())
    assert "plain.txt" in shown
    assert "sesame" not in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("/missing", {}, "the server answered 404"),
        ("/stalled", {}, "nothing came for 0.3 s"),
        ("/cut", {}, "5 of 10 bytes"),
        ("/broken.tgz", {}, "tar ended with status"),
        ("/plain.txt", {"output_file": "../out"}, "leads out of the sandbox"),
        ("/plain.txt", {"output_file": "/etc/out"}, "leads out of the sandbox"),
        ("/", {}, "does not name a file"),
        ("http://127.0.0.1:1/x", {}, "Connection refused"),
        ("hdfs://name/x", {}, "the scheme hdfs is not supported"),
        ("relative/x", {}, "no --frameworks_home"),
        ("file:///nowhere/x", {}, "No such file"),
        ("/plain.txt", {"action": "RETRIEVE_FROM_CACHE", "cache": "gone"}, "the cache has no file"),
        ("/plain.txt", {"action": "DOWNLOAD_AND_CACHE"}, "without a cache directory and file name"),
    ],
)
def test_failures_say_why_and_leave_nothing_half(
    fetch: Any, capfd: pytest.CaptureFixture[str], path: str, options: dict[str, Any], message: str
) -> None:
    status, sandbox = fetch(path, **options)
    assert status == 1
    assert message in capfd.readouterr().err
    assert [entry.name for entry in sandbox.iterdir() if entry.name.startswith(".")] == []
