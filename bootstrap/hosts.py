"""SSH to machines: verified host keys, bounded concurrency, results kept whole. The only importer of fabric.

Commands run through a channel of Fabric's connection rather than its `run`, which reads its input one
character at a time and cannot carry an archive.
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
from typing import IO, TypeVar

import fabric
import paramiko

from bootstrap import file_tree, known_hosts, ssh_config, ssh_keys
from bootstrap.errors import HostKeyError, OperatorError, UnreachableError
from bootstrap.model import Machine

CONNECT_SECONDS = 10
AT_ONCE = 32  # connections being worked on; each costs about 0.1 s of this machine's CPU
KEEP_OPEN = 64  # more nodes than this, and connections are closed after each command
TIMED_OUT = 124  # exit status of coreutils' `timeout`
_CHUNK = 1 << 18
_AGAIN_SECONDS = 0.5

T = TypeVar("T")


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
        self._connections: dict[str, fabric.Connection] = {}
        self._locks = {node: threading.RLock() for node in self._machines}
        self._key = ssh_keys.ensure(env)
        self._known = known_hosts.record(env, self._machines.values())

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
        if sudo and machine.user != "root":
            words = ["sudo", "-n", *words]
        with self._locks[node]:
            try:
                transport = self._connect(machine)
                status, out, err = _execute(transport, shlex.join(words), _stream(stdin), timeout + CONNECT_SECONDS)
            except (OSError, EOFError, paramiko.SSHException) as error:
                self._drop(node)
                raise _lost(machine, error) from error
            finally:
                if len(self._machines) > KEEP_OPEN:
                    self._drop(node)
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
        return ssh_config.write(self.env, self._machines.values(), self._key, self._known)

    def close(self) -> None:
        """End every connection."""
        for node in list(self._connections):
            self._drop(node)

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

    def _connect(self, machine: Machine) -> paramiko.Transport:
        connection = self._connections.get(machine.node)
        if connection is None or not connection.is_connected:
            try:
                connection = self._open(machine)
            except (ConnectionResetError, EOFError, paramiko.SSHException) as error:
                if isinstance(error, paramiko.AuthenticationException):
                    raise
                # sshd hangs up on some when many come at once (MaxStartups): in the middle of the banner or of the
                # exchange of keys that is an SSHException. Once more.
                time.sleep(_AGAIN_SECONDS)
                connection = self._open(machine)
            self._connections[machine.node] = connection
        transport: paramiko.Transport | None = connection.transport
        if transport is None:
            raise paramiko.SSHException("the connection closed at once")
        return transport

    def _open(self, machine: Machine) -> fabric.Connection:
        connection = fabric.Connection(
            machine.address,
            user=machine.user,
            port=machine.port,
            connect_timeout=CONNECT_SECONDS,
            config=fabric.Config(overrides={"load_ssh_configs": False}),
            connect_kwargs={
                "key_filename": str(self._key),
                "allow_agent": False,
                "look_for_keys": False,
                "banner_timeout": CONNECT_SECONDS,
                "auth_timeout": CONNECT_SECONDS,
            },
        )
        # Fabric accepts any host key unless told otherwise: both lines are needed, on every connection.
        connection.client.load_host_keys(str(self._known))
        connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        if connection.client.get_host_keys().lookup(known_hosts.lookup_name(machine)) is None:
            raise _no_key(machine, self._known)
        try:
            connection.open()
        except paramiko.BadHostKeyException as error:
            raise _wrong_key(machine, error, self._known) from error
        return connection

    def _drop(self, node: str) -> None:
        connection = self._connections.pop(node, None)
        if connection is not None:
            connection.close()


def _stream(stdin: bytes | str | IO[bytes] | None) -> IO[bytes] | None:
    if isinstance(stdin, str):
        return io.BytesIO(stdin.encode())
    return io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin


def _execute(
    transport: paramiko.Transport, command: str, stdin: IO[bytes] | None, seconds: float
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


def _feed(channel: paramiko.Channel, stdin: IO[bytes] | None) -> None:
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


def _where(machine: Machine) -> str:
    return f"node {machine.node}, {machine.user}@{machine.address}:{machine.port}"


def _no_key(machine: Machine, known: Path) -> HostKeyError:
    return HostKeyError(
        f"no host key is recorded for {machine.node}",
        where=_where(machine),
        lines=[f"looked for {known_hosts.lookup_name(machine)} in {known}"],
        cause="the host was never confirmed, and an unknown host is never trusted",
        next_step="run the 'machines' phase, which records the keys (bootstrap cluster --only machines)",
    )


def _wrong_key(machine: Machine, error: paramiko.BadHostKeyException, known: Path) -> HostKeyError:
    offered, recorded = (f"{key.get_name()} {key.get_base64()}" for key in (error.key, error.expected_key))
    return HostKeyError(
        f"{machine.node} answers with another host key than the recorded one",
        where=_where(machine),
        lines=[
            f"recorded: {known_hosts.fingerprint(recorded)}",
            f"offered:  {known_hosts.fingerprint(offered)}",
            f"file:     {known}",
        ],
        cause="the machine was made anew, its address went to another machine, or someone is in between",
        next_step="compare `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its console; "
        f"if the machine was replaced, remove its lines from {known} and run the 'machines' phase",
    )


def _lost(machine: Machine, error: Exception) -> OperatorError:
    if isinstance(error, OperatorError):
        return error
    denied = isinstance(error, paramiko.AuthenticationException)
    return UnreachableError(
        f"{machine.node} refused our SSH key" if denied else f"{machine.node} does not answer over SSH",
        where=_where(machine),
        lines=[str(error) or type(error).__name__],
        cause="the public key is not in the user's authorized_keys"
        if denied
        else "the machine is down, its sshd is, or the network between is",
        next_step="start it and run the same command again; `bootstrap nodes` lists the addresses",
    )
