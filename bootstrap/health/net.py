"""Asking services over the network: every question has a timeout, and a silent machine is an answer too."""

from __future__ import annotations

import asyncio
import base64
import errno
import http.client
import json
import queue
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

SECONDS = 1.5  # one connection attempt or one read
_AT_ONCE = 5000  # connection attempts in flight, as far as the limit of open files allows
_LARGEST = 256 << 20  # an answer beyond this is not a status

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_WORDS = {
    errno.ECONNREFUSED: "refuses connections",
    errno.EHOSTUNREACH: "the machine cannot be reached",
    errno.ENETUNREACH: "its network cannot be reached",
    errno.ECONNRESET: "cut the connection",
}


class UnansweredError(Exception):
    """A service gave no usable answer; the text says why, in words for a person."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, redirects not followed. Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; UnansweredError when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise UnansweredError(f"answers {self.status} without JSON") from None


@dataclass(frozen=True, slots=True)
class Login:
    """HTTP basic authentication. Its repr shows no password."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user})"

    @property
    def header(self) -> str:
        """Value of the Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def get(
    address: str,
    port: int,
    path: str,
    *,
    login: Login | None = None,
    ca: Path | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """GET over HTTP, or over TLS verified with `ca`. Raises UnansweredError."""
    return send("GET", address, port, path, login=login, ca=ca, seconds=seconds)


def send(
    method: str,
    address: str,
    port: int,
    path: str,
    *,
    body: Any = None,
    login: Login | None = None,
    ca: Path | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """A request with a JSON body, None for none. Raises UnansweredError."""
    headers = {"Accept": "application/json", "Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if login:
        headers["Authorization"] = login.header
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        if ca:
            context = ssl.create_default_context(cafile=str(ca))
            connection = http.client.HTTPSConnection(address, port, timeout=seconds, context=context)
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read(_LARGEST)
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
    except (OSError, http.client.HTTPException) as error:
        raise UnansweredError(words(error)) from None
    finally:
        connection.close()


def ask(address: str, port: int, question: bytes, *, seconds: float = SECONDS) -> str:
    """Send `question`, read until the other side closes. Raises UnansweredError."""
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            connection.sendall(question)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
    except OSError as error:
        raise UnansweredError(words(error)) from None
    return b"".join(parts).decode(errors="replace")


def words(error: Exception) -> str:
    """A network error as a person would say it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not of this environment's CA ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "does not speak TLS"
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    if isinstance(error, http.client.HTTPException):
        return "does not speak HTTP"
    number = getattr(error, "errno", None)
    return _WORDS.get(number or 0, f"cannot be asked ({error})")


def gather(jobs: Mapping[Key, Callable[[], Value]], seconds: float) -> dict[Key, Value | None]:
    """Run all jobs at once and give what is there after `seconds`; None for those still under way.

    Daemon threads, so that a job which hangs neither delays the answer nor the end of the process.
    An exception other than UnansweredError is a defect and is raised here.
    """
    results: dict[Key, Value | None] = dict.fromkeys(jobs)
    done: queue.SimpleQueue[tuple[Key, Value | None, Exception | None]] = queue.SimpleQueue()

    def work(key: Key, job: Callable[[], Value]) -> None:
        try:
            done.put((key, job(), None))
        except Exception as error:
            done.put((key, None, error))

    for key, job in jobs.items():
        threading.Thread(target=work, args=(key, job), daemon=True).start()
    end = time.monotonic() + seconds
    for _ in jobs:
        try:
            key, value, error = done.get(timeout=max(0.001, end - time.monotonic()))
        except queue.Empty:
            break
        if error:
            raise error
        results[key] = value
    return results


def open_ports(
    targets: Iterable[tuple[str, int]], *, greeting: bytes = b"", seconds: float = SECONDS
) -> dict[tuple[str, int], str]:
    """For each address and port: "" when it takes connections, else why not. All within about `seconds`.

    `greeting`: what the service must begin with, where it speaks first: a proxy in between may take
    connections for a machine that is not there. One thread for any number of targets, thousands of agents too.
    """
    wanted = list(dict.fromkeys(targets))
    found = dict.fromkeys(wanted, "was not asked in time")

    async def one(target: tuple[str, int], slots: asyncio.Semaphore) -> None:
        async with slots:
            try:
                found[target] = await asyncio.wait_for(_greeted(target, greeting), seconds)
            except OSError as error:  # TimeoutError is one
                found[target] = words(error)

    async def every() -> None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        slots = asyncio.Semaphore(max(1, min(_AT_ONCE, files - 100)))
        tasks = [asyncio.create_task(one(target, slots)) for target in wanted]
        _, late = await asyncio.wait(tasks, timeout=seconds + 0.1)
        for task in late:
            task.cancel()

    if wanted:
        asyncio.run(every())
    return found


async def _greeted(target: tuple[str, int], greeting: bytes) -> str:
    reader, writer = await asyncio.open_connection(*target)
    try:
        said = await reader.readexactly(len(greeting))
    except asyncio.IncompleteReadError:
        return "closes the connection at once"
    finally:
        writer.close()
    return "" if said == greeting else "is answered by something else"
