"""SSH to machines: commands and files, bounded concurrency, results kept whole.

Commands run through a channel of a connection (`ssh_connections.py`) rather than by Fabric's `run`, which reads its
input one character at a time and cannot carry an archive.
"""

from __future__ import annotations

import io
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, TypeVar

import paramiko

from bootstrap import file_tree, ssh_config, ssh_errors, sudo_password
from bootstrap.errors import OperatorError, UnreachableError
from bootstrap.model import Machine
from bootstrap.ssh_connections import CONNECT_SECONDS, Connections

AT_ONCE = 32  # connections being worked on; each costs about 0.1 s of this machine's CPU
KEEP_OPEN = 64  # more nodes than this, and connections are closed after each command
TIMED_OUT = 124  # exit status of coreutils' `timeout`
_CHUNK = 1 << 18

T = TypeVar("T")


class _Input(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended on a node. `out` and `err` are decoded, undecodable bytes replaced."""

    node: str
    status: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Exit status 0."""
        return self.status == 0

    @property
    def timed_out(self) -> bool:
        """The remote `timeout` ended it."""
        return self.status == TIMED_OUT

    def tail(self, count: int = 8) -> tuple[str, ...]:
        """The last lines that say something, for an error message."""
        return tuple(line for line in (self.err.strip() or self.out.strip()).splitlines() if line.strip())[-count:]


class Hosts:
    """Connections to the machines of one environment, opened when first used and kept."""

    def __init__(self, env: str, machines: Iterable[Machine]) -> None:
        self.env = env
        self._machines = {machine.node: machine for machine in machines}
        self._locks = {node: threading.RLock() for node in self._machines}
        self._roots: set[str] = set()
        self.connections = Connections(env, self._machines.values())

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that have a machine."""
        return tuple(self._machines)

    def run(
        self,
        node: str,
        command: str,
        *,
        sudo: bool = False,
        stdin: bytes | str | IO[bytes] | None = None,
        timeout: float = 60,
    ) -> Result:
        """Run a shell command; `timeout` seconds later the remote side ends it (status 124).

        Secrets belong into `stdin`, never into `command`, which the machine's process list shows.
        """
        machine = self._machine(node)
        words = ["timeout", "-k", "5", f"{timeout:g}", "sh", "-c", command]
        source: _Input | None = _stream(stdin)
        if sudo and machine.user != "root":
            if machine.sudo_password:
                self.become_root(node)
                words = [*sudo_password.AS_ROOT, *words]
                source = _After(sudo_password.before_input(machine.sudo_password), source)
            else:
                words = ["sudo", "-n", *words]
        return self._execute(machine, shlex.join(words), source, timeout)

    def become_root(self, node: str) -> None:
        """Raises UnreachableError or SudoError where a command could not be run as root. Asks each host once."""
        machine = self._machine(node)
        if node in self._roots:
            return
        if machine.user == "root":
            result = self._execute(machine, "true", None, CONNECT_SECONDS)
        elif machine.sudo_password:
            password = f"{sudo_password.of(machine.sudo_password)}\n".encode()
            result = self._execute(machine, sudo_password.PROBE, io.BytesIO(password), CONNECT_SECONDS)
        else:
            result = self._execute(machine, "sudo -n true", None, CONNECT_SECONDS)
        if not result.ok:
            raise ssh_errors.no_root(machine, result.status, result.tail(3))
        self._roots.add(node)

    def _execute(self, machine: Machine, command: str, stdin: _Input | None, timeout: float) -> Result:
        node = machine.node
        with self._locks[node]:
            try:
                transport = self.connections.to(machine)
                status, out, err = _execute(transport, command, stdin, timeout + CONNECT_SECONDS)
            except (OSError, EOFError, paramiko.SSHException) as error:
                self.connections.drop(node)
                raise ssh_errors.lost(machine, error) from error
            finally:
                if len(self._machines) > KEEP_OPEN:
                    self.connections.drop(node)
        return Result(node, status, out.decode(errors="replace"), err.decode(errors="replace"))

    def run_all(
        self,
        command: str,
        nodes: Iterable[str] | None = None,
        *,
        sudo: bool = False,
        stdin: bytes | str | None = None,
        timeout: float = 60,
    ) -> dict[str, Result | OperatorError]:
        """The same command on many nodes (None: all) at once; every node has its result or its error."""
        chosen = self.nodes if nodes is None else nodes
        return self.each(chosen, lambda node: self.run(node, command, sudo=sudo, stdin=stdin, timeout=timeout))

    def each(self, nodes: Iterable[str], work: Callable[[str], T]) -> dict[str, T | OperatorError]:
        """`work(node)` for many nodes, at most AT_ONCE at a time; an expected failure is that node's result."""

        def attempt(node: str) -> T | OperatorError:
            try:
                return work(node)
            except OperatorError as error:
                return error

        names = list(nodes)
        with ThreadPoolExecutor(max_workers=max(1, min(AT_ONCE, len(names))), thread_name_prefix="ssh") as pool:
            return dict(zip(names, pool.map(attempt, names), strict=True))

    def put_tree(
        self,
        node: str,
        files: Mapping[str, tuple[bytes, int]],
        *,
        first: str = "",
        then: str = "",
        timeout: float = 120,
    ) -> Result:
        """Put files (absolute path -> content, mode; owner root) in place, each by a rename, in one round trip.

        `first` runs before and may `exit`; `then` runs after and finds the paths that changed in `$changed`.
        Raises UnreachableError; a failed command is in the result. `file_tree.changed_of(result.out)` tells.
        """
        command = f"set -eu\n{first}\n{file_tree.UNPACK}{then}"
        return self.run(node, command, sudo=True, stdin=file_tree.pack(files), timeout=timeout)

    def put_file(self, node: str, source: Path, path: str, *, mode: int = 0o644, timeout: float = 600) -> Result:
        """Stream one large file into place by a rename."""
        draft, final = shlex.quote(f"{path}.utopia-new"), shlex.quote(path)
        command = (
            f'set -eu; umask 022; mkdir -p "$(dirname {final})"; cat > {draft}; '
            f'[ "$(stat -c %s {draft})" = {source.stat().st_size} ]; chmod {mode:o} {draft}; mv -fT {draft} {final}'
        )
        with source.open("rb") as stream:
            return self.run(node, command, sudo=True, stdin=stream, timeout=timeout)

    def write_ssh_config(self) -> Path:
        """state/<env>/ssh/config for OpenSSH, scp and Testinfra."""
        return ssh_config.write(self.env, self._machines.values(), self.connections.key, self.connections.known)

    def close(self) -> None:
        """End every connection."""
        self.connections.close()

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _machine(self, node: str) -> Machine:
        try:
            return self._machines[node]
        except KeyError:
            raise UnreachableError(
                f"node {node} has no machine",
                where=f"environment {self.env}",
                cause="it was not created yet, or was removed",
                next_step=f"bootstrap cluster --env {self.env} --only machines",
            ) from None


class _After:
    """A few bytes, then another stream."""

    def __init__(self, first: bytes, then: _Input | None) -> None:
        self._first, self._then = first, then

    def read(self, size: int, /) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return self._then.read(size) if self._then else b""


def _stream(stdin: bytes | str | IO[bytes] | None) -> IO[bytes] | None:
    if isinstance(stdin, str):
        return io.BytesIO(stdin.encode())
    return io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin


def _execute(
    transport: paramiko.Transport, command: str, stdin: _Input | None, seconds: float
) -> tuple[int, bytes, bytes]:
    """Feeding, errors and output each have a thread: none can stall the others by a full buffer."""
    deadline = time.monotonic() + seconds
    channel = transport.open_session(timeout=CONNECT_SECONDS)
    try:
        channel.settimeout(seconds)
        channel.exec_command(command)
        err = io.BytesIO()
        feeder = threading.Thread(target=_feed, args=(channel, stdin), daemon=True)
        drain = threading.Thread(target=_drain_quietly, args=(channel.recv_stderr, err), daemon=True)
        feeder.start()
        drain.start()
        out = io.BytesIO()
        _drain(channel.recv, out)
        drain.join(max(0.0, deadline - time.monotonic()))
        if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
            raise TimeoutError(f"no answer within {seconds:g} s")
        if channel.exit_status < 0:
            raise paramiko.SSHException("the connection was lost while a command was running")
        return channel.exit_status, out.getvalue(), err.getvalue()
    finally:
        channel.close()


def _feed(channel: paramiko.Channel, stdin: _Input | None) -> None:
    try:
        while stdin is not None and (chunk := stdin.read(_CHUNK)):
            channel.sendall(chunk)
        channel.shutdown_write()
    except (OSError, EOFError):
        return  # the command ended without reading its input; its exit status tells whether that was right


def _drain(receive: Callable[[int], bytes], into: IO[bytes]) -> None:
    while chunk := receive(_CHUNK):
        into.write(chunk)


def _drain_quietly(receive: Callable[[int], bytes], into: IO[bytes]) -> None:
    try:
        _drain(receive, into)
    except OSError:
        return  # the reader of the output meets the same end, and tells
