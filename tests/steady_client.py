"""A client that sends requests all the time and forgets nothing: for "zero failed requests".

    with SteadyClient("172.30.10.31", 80, "hello.local.utopia") as client:
        ...                                   # deploy, scale, break
    client.expect_no_failure()

Half of the connections are kept alive, as a naive client pool does (no retry of its own, not even on an
idle connection that the server closed), half are new each time; one request in four is a POST.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

WORKERS = 4
PAUSE_SECONDS = 0.01  # between two requests of one worker: some 300 requests a second in all


@dataclass
class Seen:
    """What came back. `bodies`: text -> how often; `failures`: (seconds since start, method, what)."""

    requests: int = 0
    bodies: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[float, str, str]] = field(default_factory=list)
    slowest: float = 0.0
    silent: float = 0.0  # the longest time between two good answers


class SteadyClient:
    """Requests in threads from entering to leaving; `seen` afterwards."""

    def __init__(
        self,
        address: str,
        port: int,
        host: str,
        *,
        path: str = "/",
        post_path: str = "/cgi-bin/echo",
        timeout: float = 10,
    ) -> None:
        self._target = (address, port, timeout)
        self._host, self._path, self._post_path = host, path, post_path
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(WORKERS)]
        self._started = self._last_good = time.monotonic()
        self.seen = Seen()

    def __enter__(self) -> Self:
        self._started = self._last_good = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def expect_no_failure(self) -> None:
        """Fails with the first failures and when they were; also when hardly anything was asked."""
        seen = self.seen
        first = "\n".join(f"  {at:7.2f} s {method}: {what}" for at, method, what in seen.failures[:20])
        assert not seen.failures, f"{len(seen.failures)} of {seen.requests} requests failed\n{first}"
        assert seen.requests > 20, f"only {seen.requests} requests were sent"

    def summary(self) -> str:
        """One line for people."""
        seen = self.seen
        return f"{seen.requests} requests, {len(seen.failures)} failed, slowest {seen.slowest * 1000:.0f} ms"

    def _work(self, number: int) -> None:
        keep_alive = number % 2 == 0
        connection: http.client.HTTPConnection | None = None
        for turn in itertools.count():
            if self._stop.wait(PAUSE_SECONDS):
                break
            method = "POST" if turn % 4 == 3 else "GET"
            if connection is None:
                address, port, timeout = self._target
                connection = http.client.HTTPConnection(address, port, timeout=timeout)
            began = time.monotonic()
            try:
                whole = self._ask(connection, method, keep_alive=keep_alive)
            except (OSError, http.client.HTTPException) as error:
                self._note(began, method, error=f"{type(error).__name__}: {error}")
                whole = False
            if not (whole and keep_alive):
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, method: str, *, keep_alive: bool) -> bool:
        """Send one request; whether the connection may be used again."""
        began = time.monotonic()
        headers = {"Host": self._host, "Connection": "keep-alive" if keep_alive else "close"}
        if method == "POST":
            connection.request("POST", self._post_path, b"x=1", headers)
        else:
            connection.request("GET", self._path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode(errors="replace").strip()
        if response.status == 200:
            self._note(began, method, body=body)
        else:
            self._note(began, method, error=f"HTTP {response.status} {body[:600]}")
        return not response.will_close

    def _note(self, began: float, method: str, *, body: str = "", error: str = "") -> None:
        now = time.monotonic()
        with self._lock:
            seen = self.seen
            seen.requests += 1
            seen.slowest = max(seen.slowest, now - began)
            if error:
                seen.failures.append((began - self._started, method, error))
                return
            seen.silent = max(seen.silent, now - self._last_good)
            self._last_good = now
            if method == "GET":
                seen.bodies[body] += 1
