"""A server that speaks salt-api's side over TLS: login, jobs, event stream; behaviour is set by the test."""

from __future__ import annotations

import http.server
import json
import queue
import ssl
import threading
import time
from pathlib import Path
from typing import Any


class SaltServer:
    """`minions`: node -> return data of whatever is run there; None = the minion never answers."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.minions: dict[str, dict[str, Any] | None] = {}
        self.accepted: set[str] | None = None  # None: all minions
        self.cached: dict[str, dict[str, Any]] = {}  # returns that are in the job cache only
        self.working: set[str] = set()  # minions that say they are busy
        self.stream = True
        self.token = "t1"
        self.password = "right"
        self.failure: tuple[int, dict[str, Any]] | None = None
        self.hang = False
        self.requests: list[dict[str, Any]] = []
        self.logins = 0
        self.listeners: list[queue.Queue[bytes]] = []
        self.number = 0
        self.lock = threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        lab = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_args: object) -> None: ...

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                lab.answer(self, body)

            def do_GET(self) -> None:
                lab.events(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def finish_request(self, request: Any, address: Any) -> None:
                try:
                    wrapped = context.wrap_socket(request, server_side=True)
                    super().finish_request(wrapped, address)
                    wrapped.close()
                except OSError:
                    return  # a client that does not trust us hangs up

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def answer(self, handler: http.server.BaseHTTPRequestHandler, body: Any) -> None:
        while self.hang:
            time.sleep(0.05)
        if handler.path == "/login":
            self.logins += 1
            if body.get("password") != self.password:
                return self.send(handler, 401, {})
            return self.send(handler, 200, {"return": [{"token": self.token}]})
        if handler.headers.get("X-Auth-Token") != self.token:
            return self.send(handler, 401, {})
        if self.failure is not None:
            return self.send(handler, *self.failure)
        low = body[0]
        self.requests.append(low)
        return self.send(handler, 200, {"return": [self.job(low) if low["client"] == "local_async" else self.run(low)]})

    def job(self, low: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.number += 1
            jid = f"2026{self.number:016}"
        known = [node for node in low["tgt"] if self.accepted is None or node in self.accepted]
        for node in known:
            data = self.minions.get(node)
            if low["fun"] == "saltutil.find_job":
                if data is not None or node in self.working:
                    found = {"jid": low["arg"][0]} if node in self.working else {}
                    self.tell(jid, node, {"return": found, "retcode": 0, "success": True})
            elif data is not None and node not in self.cached:
                self.tell(jid, node, data)
        return {"jid": jid, "minions": known} if known else {}

    def run(self, low: dict[str, Any]) -> Any:
        return {"jid": low["jid"], "Result": self.cached}

    def tell(self, jid: str, node: str, data: dict[str, Any]) -> None:
        tag = f"salt/job/{jid}/ret/{node}"
        event = {"data": {"id": node, "jid": jid, **data}, "tag": tag}
        for listener in self.listeners:
            listener.put(f"tag: {tag}\ndata: {json.dumps(event)}\n\n".encode())

    def events(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if not self.stream or handler.headers.get("X-Auth-Token") != self.token:
            return self.send(handler, 401, {})
        listener: queue.Queue[bytes] = queue.Queue()
        self.listeners.append(listener)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"retry: 400\n")
        handler.wfile.flush()
        while True:
            handler.wfile.write(listener.get())
            handler.wfile.flush()

    @staticmethod
    def send(handler: http.server.BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def close(self) -> None:
        self.hang = False
        self.server.shutdown()
        self.server.server_close()
