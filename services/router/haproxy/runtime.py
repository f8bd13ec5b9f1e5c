"""HAProxy's command line on its sockets: pipelined commands on one connection, names checked against injection."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

PROMPT = b"\n> "
MAX_COMMAND = 12 * 1024  # HAProxy loses commands of its buffer's size, 16 KB, without a word
WINDOW = 200  # commands on their way; more could fill both directions of the socket
TOKEN = re.compile(r"[\x21-\x7e]+")
LIMIT = 64 * 1024 * 1024


class RuntimeSocketError(Exception):
    """HAProxy cannot be reached at its socket, or answered what it should not."""


class RefusedError(RuntimeSocketError):
    """HAProxy refused a command."""


def token(text: str) -> str:
    """The text when it is one word that ends no command. Raises ValueError."""
    if not TOKEN.fullmatch(text) or any(part in text for part in (";", "\\", "<<", "#")):
        raise ValueError(f"not a name for HAProxy's command line: {text!r}")
    return text


def command(*words: str | int) -> str:
    """A command of checked words. Raises ValueError."""
    line = " ".join(token(str(word)) for word in words)
    if len(line) > MAX_COMMAND:
        raise ValueError(f"a command of {len(line)} bytes")
    return line


class Runtime:
    """The socket of the worker. One user at a time: it holds a lock."""

    def __init__(self, path: str, timeout: float = 5.0) -> None:
        self._path = path
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, commands: Sequence[str]) -> list[str]:
        """The answers, without the empty lines around them. Raises RuntimeSocketError.

        A connection that HAProxy closed meanwhile (idle, reloaded) is opened again, once, before anything was sent.
        """
        async with self._lock:
            try:
                async with asyncio.timeout(self._timeout):
                    reader, writer = await self._connected()
                    answers: list[str] = []
                    for start in range(0, len(commands), WINDOW):
                        part = commands[start : start + WINDOW]
                        writer.write("".join(f"{line}\n" for line in part).encode())
                        for _ in part:
                            answer = await reader.readuntil(PROMPT)
                            answers.append(answer[: -len(PROMPT)].decode("utf-8", "replace").strip("\n"))
                    return answers
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                self._drop()
                raise RuntimeSocketError(f"{self._path}: {error or type(error).__name__}") from error
            except asyncio.CancelledError:
                self._drop()  # answers to what was sent would be taken for those of the next command
                raise

    async def ask(self, line: str) -> str:
        """The answer to one command. Raises RuntimeSocketError."""
        return (await self.run([line]))[0]

    async def reopen(self) -> None:
        """Use a new connection from now on: an old one stays with the old worker."""
        async with self._lock:
            self._drop()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None:
            reader, writer = self._streams
            if not reader.at_eof() and not writer.is_closing():
                return self._streams
            self._drop()
        reader, writer = await asyncio.open_unix_connection(self._path, limit=LIMIT)
        self._streams = reader, writer
        writer.write(b"prompt\n")
        await reader.readuntil(PROMPT)
        return reader, writer

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def once(path: str, line: str, timeout: float = 5.0) -> str:
    """One command on a connection of its own: for the master's socket. Raises RuntimeSocketError."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_unix_connection(path, limit=LIMIT)
            writer.write(f"{line}\n".encode())
            writer.write_eof()  # without it the master keeps the connection open
            return (await reader.read(-1)).decode("utf-8", "replace")
    except ConnectionResetError:
        return ""  # `reload` before HAProxy 2.7 ends the connection without an answer
    except (OSError, TimeoutError) as error:
        raise RuntimeSocketError(f"{path}: {error or type(error).__name__}") from error
    finally:
        if writer is not None:
            writer.close()


@dataclass(frozen=True, slots=True)
class Info:
    """Of `show info`: the worker, the fingerprint of its configuration, whether it is one that ends."""

    pid: int
    fingerprint: str
    stopping: bool
    uptime: int


async def info(runtime: Runtime) -> Info:
    """What the worker at the socket is. Raises RuntimeSocketError."""
    lines = (line.partition(": ") for line in (await runtime.ask("show info")).splitlines())
    values = {name: value for name, _, value in lines}
    try:
        return Info(
            int(values["Pid"]), values.get("description", ""), values["Stopping"] != "0", int(values["Uptime_sec"])
        )
    except (KeyError, ValueError) as error:
        raise RuntimeSocketError(f"show info: {error!r}") from error


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server as HAProxy has it. `takes_traffic`: neither in maintenance nor draining by command."""

    address: str
    port: int
    takes_traffic: bool
    draining: bool


FORCED_MAINTENANCE, FORCED_DRAIN = 0x01, 0x08


async def servers(runtime: Runtime) -> dict[tuple[str, str], ServerState]:
    """Every server by section and name. Raises RuntimeSocketError."""
    found = {}
    for line in (await runtime.ask("show servers state")).splitlines():
        columns = line.split()
        if len(columns) < 19 or columns[0].startswith("#"):
            continue
        try:
            admin = int(columns[6])
            state = ServerState(
                columns[4],
                int(columns[18]),
                not admin & (FORCED_MAINTENANCE | FORCED_DRAIN),
                bool(admin & FORCED_DRAIN) and not admin & FORCED_MAINTENANCE,
            )
        except ValueError as error:
            raise RuntimeSocketError(f"show servers state: {line!r}") from error
        found[columns[1], columns[3]] = state
    return found


async def sessions(runtime: Runtime, section: str) -> dict[str, int]:
    """Requests and connections in work, by server. Raises RuntimeSocketError."""
    lines = (await runtime.ask(command("show", "stat", section, 4, "-1"))).splitlines()
    if not lines:
        return {}
    names = lines[0].lstrip("# ").split(",")
    name, current, queued = names.index("svname"), names.index("scur"), names.index("qcur")
    found = {}
    for line in lines[1:]:
        columns = line.split(",")
        if len(columns) > max(name, current, queued):
            found[columns[name]] = int(columns[current] or 0) + int(columns[queued] or 0)
    return found


async def frontends(runtime: Runtime) -> set[str]:
    """Names of the frontends. Raises RuntimeSocketError."""
    lines = (await runtime.ask("show stat -1 1 -1")).splitlines()
    return {line.partition(",")[0] for line in lines if line and not line.startswith("#")}


async def map_entries(runtime: Runtime, path: str) -> dict[str, str]:
    """The entries of a map; of doubles the first, which is the one that counts. Raises RuntimeSocketError."""
    found: dict[str, str] = {}
    for line in (await runtime.ask(command("show", "map", path))).splitlines():
        columns = line.split(maxsplit=2)
        if len(columns) == 3:
            found.setdefault(columns[1], columns[2])
    return found
