"""What a Fluentd says of itself, as its monitor tells it, in the one line that canary and exporter read."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bootstrap import paths

Line = Callable[..., dict[str, Any]]


def output(name: str, **figures: float) -> dict[str, Any]:
    """An output plugin as /api/plugins.json of Fluentd 1.16 has it, with what does not matter left out."""
    return {
        "plugin_id": name,
        "plugin_category": "output",
        "type": "elasticsearch",
        "output_plugin": True,
        "buffer_queue_length": 0,
        "buffer_timekeys": [],
        "buffer_total_queued_size": 0,
        "retry_count": 0,
        "emit_records": 0,
        "emit_count": 0,
        "write_count": 0,
        "rollback_count": 0,
        "buffer_available_buffer_space_ratios": 100.0,
    } | figures


SOURCE = {"plugin_id": "container", "plugin_category": "input", "output_plugin": False, "emit_records": 9}
RELABEL = {"plugin_id": "object:a8", "plugin_category": "output", "output_plugin": True, "emit_records": 9}


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], int]]:
    """A monitor that gives one answer; its port."""
    servers = []

    def start(body: bytes) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/api/plugins.json" else 404)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def line(tmp_path, capsys: pytest.CaptureFixture[str]) -> Line:
    """Run the program on a node with a Fluentd behind each of the ports."""
    source = str(paths.SALT / "fluentd/files/report")
    loader = importlib.machinery.SourceFileLoader("fluentd_report", source)
    spec = importlib.util.spec_from_loader("fluentd_report", loader)
    assert spec
    module: ModuleType = importlib.util.module_from_spec(spec)
    loader.exec_module(module)

    def run(*ports: int) -> dict[str, Any]:
        found = {str(tmp_path / f"{port}.conf"): port for port in ports}
        for path in found:
            Path(path).touch()
        vars(module)["MONITORS"] = {**found, str(tmp_path / "not-here.conf"): 1}
        module.main()
        (text,) = capsys.readouterr().out.splitlines()
        return dict(json.loads(text))

    return run


def test_what_waits_is_lost_and_refused(serve: Callable[[bytes], int], line: Line) -> None:
    index = output("index", buffer_queue_length=3, drop_oldest_chunk_count=2, buffer_available_buffer_space_ratios=12.5)
    letters = output("refused", buffer_queue_length=1, emit_records=7, buffer_available_buffer_space_ratios=1.0)
    port = serve(json.dumps({"plugins": [SOURCE, RELABEL, index, letters]}).encode())
    assert line(port) == {"canary": True, "waiting": 3, "lost": 2, "refused": 7, "full": 0.875}


def test_the_shipper_and_the_aggregator_of_a_node_are_added_up(serve: Callable[[bytes], int], line: Line) -> None:
    """Release 5 has no count of what was dropped in some of its versions."""
    shipper = output("forward", buffer_queue_length=1)
    aggregator = output("index", buffer_queue_length=4, drop_oldest_chunk_count=1)
    ports = [serve(json.dumps({"plugins": [each]}).encode()) for each in (shipper, aggregator)]
    assert line(*ports) == {"canary": True, "waiting": 5, "lost": 1, "refused": 0, "full": 0.0}


@pytest.mark.parametrize(
    "said", [b"", b"starting", b"{}", b'{"plugins":[{"output_plugin":true,"buffer_queue_length":1}]}']
)
def test_no_counters_are_made_up(serve: Callable[[bytes], int], line: Line, said: bytes) -> None:
    assert line(serve(said)) == {"canary": True}


def test_a_fluentd_that_is_away_leaves_the_canary(serve: Callable[[bytes], int], line: Line) -> None:
    assert line(1) == {"canary": True}
