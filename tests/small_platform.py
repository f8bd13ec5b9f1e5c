"""A Marathon and an edge on loopback, as small as the proof needs them, with faults on demand."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Platform:
    """Applications become healthy at once, are served at once, and keep every request for the tests to look at."""

    def __init__(self) -> None:
        self.apps: dict[str, dict[str, Any]] = {}
        self.rules: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.unhealthy = False  # applications never become healthy
        self.failing = 0  # that many of the next calls through the edge fail while a version is rolled
        self.rolled = False
        self.logins: set[str] = set()
        self.marathon = _server(self, _Marathon)
        self.edge = _server(self, _Edge)
        self.router = _server(self, _Router)

    def close(self) -> None:
        for server in (self.marathon, self.edge, self.router):
            server.shutdown()
            server.server_close()

    def app(self, name: str) -> dict[str, Any]:
        instances = self.apps[name]["instances"]
        healthy = 0 if self.unhealthy else instances
        failure = {"host": "10.0.0.1", "message": "no such image"} if self.unhealthy else None
        counts = {"tasksRunning": instances, "tasksHealthy": healthy, "lastTaskFailure": failure}
        return {**self.apps[name], **counts, "deployments": []}


class _Handler(BaseHTTPRequestHandler):
    platform: Platform
    protocol_version = "HTTP/1.1"

    def handle_one(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if "Authorization" in self.headers:
            self.platform.logins.add(self.headers["Authorization"])
        status, answer = self.answer(self.path.partition("?")[0], body)
        text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = handle_one  # noqa: N815

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        raise NotImplementedError

    def log_message(self, *_args: Any) -> None:
        pass


class _Marathon(_Handler):
    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        platform = self.platform
        platform.asked.append((self.command, path))
        if path == "/v2/deployments":
            return 200, []
        if path == "/v2/queue":
            summary = {"rejectSummaryLastOffers": [{"reason": "InsufficientCpus", "declined": 2, "processed": 2}]}
            return 200, {"queue": [{"app": {"id": name}, "processedOffersSummary": summary} for name in platform.apps]}
        name = path.removeprefix("/v2/apps")
        if self.command == "PUT":
            platform.rolled = platform.rolled or "version 2" in str(body.get("cmd"))
            platform.apps[name] = {**platform.apps.get(name, {}), **body}
            return 200, {"version": "x", "deploymentId": "y"}
        if name not in platform.apps:
            return 404, {"message": f"App '{name}' does not exist"}
        if self.command == "DELETE":
            del platform.apps[name]
            return 200, {"version": "x", "deploymentId": "y"}
        return 200, {"app": platform.app(name)}


class _Edge(_Handler):
    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        host = self.headers["Host"]
        for name, rule in self.platform.rules.items():
            if host in rule["acl"].split() and name in self.platform.apps:
                if self.platform.failing and self.platform.rolled and name == "/utopia-smoke":
                    self.platform.failing -= 1
                    return 502, "bad gateway"
                version = "version 2" if "version 2" in self.platform.apps[name]["cmd"] else "version 1"
                return 200, f"hello from {version}"
        return 404, "nobody"


class _Router(_Handler):
    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        if self.command == "POST":
            self.platform.rules[body["id"]] = body
        elif self.command == "DELETE":
            del self.platform.rules["/" + path.removeprefix("/api/services/")]
        return 200, self.platform.rules


def _server(platform: Platform, kind: type[_Handler]) -> ThreadingHTTPServer:
    handler = type(kind.__name__, (kind,), {"platform": platform})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
