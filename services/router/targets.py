"""Tasks -> addresses that HAProxy can be told: names resolved, tasks without a health check tried before they serve."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Iterable

from services.router.haproxy.model import Server
from services.router.marathon.view import App, Task

RESOLVE_SECONDS = 60.0  # how long an answer is used
RETRY_SECONDS = 2.0  # after a name that could not be resolved
TRY_SECONDS = 10.0  # a task that accepts no connection is served after this all the same: HAProxy's checks decide then
TRY_PAUSE = 0.1
TRIES_AT_ONCE = 200


class Targets:
    """`changed` is called when an address became known or a task accepts connections."""

    def __init__(self, changed: Callable[[], None], admitted: Iterable[Server] = ()) -> None:
        self.problems: dict[str, str] = {}  # host -> why it has no address
        self._changed = changed
        self._addresses: dict[str, tuple[str | None, float]] = {}
        self._admitted: set[Server] = set(admitted)
        self._seen: set[Server] = set()
        self._work: dict[object, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(TRIES_AT_ONCE)

    def servers(self, app: App, index: int) -> tuple[Server, ...]:
        """The tasks of the application that serve its port of that index."""
        found = []
        for task in app.tasks:
            server = self._server(app, task, index) if task.served else None
            if server is None:
                continue
            self._seen.add(server)
            if app.health_checks or server in self._admitted:
                found.append(server)
            else:
                self._start(server, self._try(server))
        return tuple(found)

    def begin(self) -> None:
        """Call before a round of `servers`."""
        self._seen = set()
        self.problems = {}

    def end(self) -> None:
        """Call after it: what was not asked for is forgotten."""
        self._admitted &= self._seen

    async def close(self) -> None:
        """End what is under way."""
        for task in self._work.values():
            task.cancel()
        await asyncio.gather(*self._work.values(), return_exceptions=True)

    def _server(self, app: App, task: Task, index: int) -> Server | None:
        endpoint = app.endpoint(task, index)
        if endpoint is None or not 0 < endpoint[1] < 65536:
            return None
        address = self._address(endpoint[0])
        return Server(task.id, address, endpoint[1]) if address else None

    def _address(self, host: str) -> str | None:
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            pass
        address, until = self._addresses.get(host, (None, 0.0))
        if time.monotonic() >= until:
            self._start(host, self._resolve(host))
        if address is None:
            self.problems[host] = f"{host} has no address"
        return address

    async def _resolve(self, host: str) -> None:
        before = self._addresses.get(host, (None, 0.0))[0]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
            order = sorted(found, key=lambda one: one[0] != socket.AF_INET)
            address, wait = str(order[0][4][0]), RESOLVE_SECONDS
        except (OSError, UnicodeError):
            address, wait = before or "", RETRY_SECONDS  # an address that was good is kept
        self._addresses[host] = address or None, time.monotonic() + wait
        if (address or None) != before:
            self._changed()

    async def _try(self, server: Server) -> None:
        deadline = time.monotonic() + TRY_SECONDS
        async with self._places:
            while time.monotonic() < deadline:
                try:
                    async with asyncio.timeout(1):
                        _, writer = await asyncio.open_connection(server.address, server.port)
                    writer.close()
                    break
                except (OSError, TimeoutError):
                    await asyncio.sleep(TRY_PAUSE)
        self._admitted.add(server)
        self._seen.add(server)
        self._changed()

    def _start(self, key: object, work: object) -> None:
        if key in self._work:
            work.close()  # type: ignore[attr-defined]
            return
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._work[key] = task
        task.add_done_callback(lambda _: self._work.pop(key, None))
