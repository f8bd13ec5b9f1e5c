"""An edge on loopback: real HAProxy, the router as a program, a Marathon that says what it is told, tasks."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from free_ports import free_port

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[3]
START_SECONDS = 15.0


def until(condition: Callable[[], Any], what: object, seconds: float = START_SECONDS) -> Any:
    """The first true value; looks every 5 ms."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"after {seconds:g} s: {what() if callable(what) else what}"
        time.sleep(0.005)
    return value


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


def call(
    port: int,
    path: str = "/",
    method: str = "GET",
    *,
    host: str = HOST,
    body: Any = None,
    login: str = "",
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request; header names of the answer in lower case. A text is sent as it is, anything else as JSON."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    sent = {"Host": host, **(headers or {})}
    if login:
        sent["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    data = body if body is None or isinstance(body, str) else json.dumps(body)
    try:
        connection.request(method, path, data, sent)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read().decode())
    finally:
        connection.close()


class Tasks:
    """HTTP servers in one thread; each answers with its name. `GET /slow` takes half a second, `POST` echoes."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers: dict[int, asyncio.Server] = {}
        self.served: dict[str, int] = {}

    def start(self, name: str, port: int = 0) -> int:
        """Listen; returns the port."""
        server = self._call(asyncio.start_server(lambda *streams: self._serve(name, *streams), HOST, port))
        port = int(server.sockets[0].getsockname()[1])
        self._servers[port] = server
        return port

    def stop(self, port: int) -> None:
        """Listen no more; connections that are open are cut."""
        server = self._servers.pop(port)

        async def close() -> None:
            server.close()

        self._call(close())

    def close(self) -> None:
        for port in list(self._servers):
            self.stop(port)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while port in self._servers:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split("\r\n", 1)[0].split(" ", 2)
                lines = [line.partition(":") for line in head.split("\r\n")[1:]]
                headers = {key.lower(): value.strip() for key, _, value in lines}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if headers.get("upgrade") == "websocket":
                    await self._echo(name, reader, writer)
                    break
                if path.startswith("/slow"):
                    await asyncio.sleep(0.5)
                self.served[name] = self.served.get(name, 0) + 1
                text = json.dumps({"name": name, "method": method, "path": path, "headers": headers}).encode()
                text = text if method != "POST" else body
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
                await writer.drain()
        writer.close()

    async def _echo(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        while received := await reader.read(4096):
            writer.write(name.encode() + b":" + received)
            await writer.drain()


class Marathon:
    """`/v2/apps`, one application, and the event stream, from documents that the test puts in."""

    def __init__(self, login: str = "") -> None:
        self.port = free_port()
        self.apps: dict[str, dict[str, Any]] = {}
        self.login = login
        self.requests: list[str] = []
        self._streams: list[queue.Queue[bytes | None]] = []
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        marathon = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                marathon.answer(self)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer((HOST, self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            for stream in list(self._streams):
                stream.put(None)
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def put(self, document: dict[str, Any], event: str = "status_update_event") -> None:
        """Replace the application and tell it."""
        self.apps[document["id"]] = document
        self.tell(event, {"appId": document["id"]})

    def remove(self, app: str) -> None:
        del self.apps[app]
        self.tell("app_terminated_event", {"appId": app})

    def tell(self, event: str, data: dict[str, Any]) -> None:
        text = f"event: {event}\ndata: {json.dumps(data | {'eventType': event})}\n\n".encode()
        for stream in list(self._streams):
            stream.put(text)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(handler.path)
        expected = "Basic " + base64.b64encode(self.login.encode()).decode()
        if self.login and handler.headers.get("Authorization") != expected:
            self._send(handler, 401, {"message": "no"})
        elif handler.path.startswith("/v2/events"):
            self._stream(handler)
        elif handler.path.startswith("/v2/apps?"):
            self._send(handler, 200, {"apps": list(self.apps.values())})
        else:
            app = self.apps.get("/" + handler.path.removeprefix("/v2/apps/").partition("?")[0])
            self._send(handler, 200 if app else 404, {"app": app} if app else {"message": "no"})

    def _send(self, handler: BaseHTTPRequestHandler, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _stream(self, handler: BaseHTTPRequestHandler) -> None:
        stream: queue.Queue[bytes | None] = queue.Queue()
        self._streams.append(stream)  # before the headers: whoever has them reads once and then relies on events
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.send_response(200)
            handler.send_header("Content-Type", "text/event-stream")
            handler.end_headers()
            while (text := stream.get()) is not None:
                handler.wfile.write(text)
                handler.wfile.flush()
        self._streams.remove(stream)


def task(name: str, *ports: int, state: str = "TASK_RUNNING", alive: bool | None = True, **more: Any) -> dict[str, Any]:
    """A task document; `alive` None: without a health check result."""
    results = [] if alive is None else [{"alive": alive, "taskId": name}]
    return {
        **{"id": name, "host": HOST, "ports": list(ports), "state": state, "healthCheckResults": results},
        **{"version": "2026-01-01T00:00:00.000Z", "appId": "?"},
        **more,
    }


def app(identity: str, tasks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """An application document with one HTTP health check."""
    return {
        **{"id": identity, "instances": len(tasks), "ports": [10001], "labels": {}, "env": {}, "deployments": []},
        **{"version": "2026-01-01T00:00:00.000Z", "healthChecks": [{"protocol": "HTTP", "path": "/", "portIndex": 0}]},
        **{"tasks": tasks, "networks": [{"mode": "host"}]},
        **more,
    }


def vhost(identity: str, host: str, tasks: list[dict[str, Any]], **labels: str) -> dict[str, Any]:
    """An application with marathon-lb's label for its host name."""
    return app(identity, tasks, labels={"HAPROXY_0_VHOST": host, **labels})


@dataclass
class Edge:
    """HAProxy and a router in a folder."""

    folder: Path
    marathon: Marathon
    more: dict[str, Any] = field(default_factory=dict)
    http: int = field(default_factory=free_port)
    api: int = field(default_factory=free_port)
    stats: int = field(default_factory=free_port)
    haproxy: subprocess.Popen[bytes] | None = None
    router: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "marathon_endpoints": [self.marathon.url],
            "bind": f"{HOST}:{self.api}",
            "http_port": self.http,
            "stats_port": self.stats,
            "haproxy_config": str(self.folder / "haproxy.cfg"),
            "maps_dir": str(self.folder / "maps"),
            "runtime_socket": str(self.folder / "admin.sock"),
            "master_socket": str(self.folder / "master.sock"),
            "state_file": str(self.folder / "state.json"),
            "haproxy_user": None,
            "haproxy_chroot": None,
            "maxconn": 2000,
            "hard_stop_after": 10,
            **self.more,
        }

    @property
    def log(self) -> str:
        return (self.folder / "router.log").read_text(errors="replace")

    def _command(self, *more: str) -> list[str]:
        (self.folder / "router.json").write_text(json.dumps(self.settings))
        return [sys.executable, "-m", "services.router", "--config", str(self.folder / "router.json"), *more]

    def start(self) -> Edge:
        self.render_initial()
        self.start_haproxy()
        self.start_router()
        return self

    def render_initial(self) -> None:
        run = subprocess.run(self._command("--render-initial"), cwd=ROOT, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr

    def start_haproxy(self) -> None:
        with (self.folder / "haproxy.log").open("ab") as log:
            self.haproxy = subprocess.Popen(
                ["haproxy", "-W", "-S", self.settings["master_socket"], "-f", self.settings["haproxy_config"]],
                stdout=log,
                stderr=log,
            )
        until(
            lambda: listens(self.http), lambda: f"HAProxy does not listen:\n{(self.folder / 'haproxy.log').read_text()}"
        )

    def start_router(self, *, wait: bool = True) -> None:
        with (self.folder / "router.log").open("ab") as log:
            self.router = subprocess.Popen(self._command(), cwd=ROOT, stdout=log, stderr=log)
        if wait:
            until(lambda: listens(self.api), lambda: f"the router does not listen:\n{self.log}")

    def stop_router(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.router is not None
        self.router.send_signal(number)
        return self.router.wait(15)

    def stop_haproxy(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.haproxy is not None
        children = self.workers()
        self.haproxy.send_signal(number)
        self.haproxy.wait(15)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not listens(self.http), "HAProxy goes on after its end")

    def workers(self) -> list[int]:
        assert self.haproxy is not None
        path = Path(f"/proc/{self.haproxy.pid}/task/{self.haproxy.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self) -> None:
        if self.router is not None and self.router.poll() is None:
            self.stop_router()
        if self.haproxy is not None and self.haproxy.poll() is None:
            self.stop_haproxy(signal.SIGKILL)

    def get(self, host: str, path: str = "/", **more: Any) -> Answer:
        return call(self.http, path, host=host, **more)

    def name(self, host: str, path: str = "/") -> str | None:
        """The name of the task that answered; None for anything else."""
        answer = self.get(host, path)
        return str(answer.json()["name"]) if answer.status == 200 else None

    def ask(self, path: str, method: str = "GET", **more: Any) -> Answer:
        return call(self.api, path, method, **more)

    def health(self) -> dict[str, Any]:
        return dict(self.ask("/healthz").json())

    def settled(self) -> dict[str, Any]:
        """Wait until HAProxy runs all that is wanted; the health document."""

        def done() -> dict[str, Any] | None:
            health = self.health()
            return health if health["applied"] and not health["draining"] else None

        return dict(until(done, lambda: f"not applied: {self.health()}\n{self.log[-3000:]}"))

    def problems(self) -> list[tuple[str, str]]:
        return [(problem["app"], problem["message"]) for problem in self.ask("/api/problems").json()["problems"]]

    def serves(self, host: str, path: str = "/", seconds: float = START_SECONDS) -> None:
        until(
            lambda: self.get(host, path).status == 200,
            lambda: f"{host}{path} does not answer:\n{self.log[-3000:]}",
            seconds,
        )

    def served_by(self, host: str, names: set[str], path: str = "/", requests: int = 0) -> None:
        """Wait until exactly these tasks answer."""

        def same() -> bool:
            return {self.name(host, path) for _ in range(requests or 3 * len(names))} == names

        until(same, lambda: f"{host}{path} is not served by {sorted(names)}:\n{self.log[-3000:]}")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@dataclass
class Load:
    """What clients saw: how many requests, and every failure."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)


@contextlib.contextmanager
def load(port: int, host: str, clients: int = 4, path: str = "/", method: str = "GET") -> Iterator[Load]:
    """Clients with keep-alive connections that are opened again only when the edge closed them in between."""
    result, end = Load(), threading.Event()

    def client() -> None:
        connection: http.client.HTTPConnection | None = None
        while not end.is_set():
            try:
                connection = connection or http.client.HTTPConnection(HOST, port, timeout=10)
                connection.request(method, path, "x" if method == "POST" else None, {"Host": host})
                response = connection.getresponse()
                text = response.read()
                if response.status != 200:
                    result.failures.append(f"HTTP {response.status}: {text[:200]!r}")
                if response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                result.failures.append(repr(error))
                connection = None
            result.requests += 1

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield result
    finally:
        end.set()
        for thread in threads:
            thread.join(12)
