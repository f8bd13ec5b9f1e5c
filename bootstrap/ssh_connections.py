"""Connections to machines: over verified host keys, through jump hosts, kept open. The only importer of fabric."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterable

import fabric
import paramiko

from bootstrap import known_hosts, ssh_errors, ssh_keys
from bootstrap.model import Machine

CONNECT_SECONDS = 10
_AGAIN_SECONDS = 0.5

# The kinds of host keys that a host is asked for, one by one.
_KEY_KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)

# What goes wrong is raised, and told once; without a handler paramiko's threads would write it to the terminal too.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Connections:
    """Those of one environment, by node. The caller sees to it that no two threads use the same node's at once."""

    def __init__(self, env: str, machines: Iterable[Machine]) -> None:
        self.env = env
        self._machines = tuple(machines)
        self._connections: dict[str, fabric.Connection] = {}
        self._hops: dict[Machine, fabric.Connection] = {}
        self._hop_lock = threading.RLock()
        self.key = ssh_keys.ensure(env)
        self.known = known_hosts.record(env, self._machines)

    @property
    def open(self) -> tuple[str, ...]:
        """The nodes there is a connection to."""
        return tuple(self._connections)

    def to(self, machine: Machine) -> paramiko.Transport:
        """The connection to a machine, opened where there is none."""
        connection = self._connections.get(machine.node)
        if connection is None or not connection.is_connected:
            connection = self._connections[machine.node] = self._open_patiently(machine)
        return _transport(connection)

    def drop(self, node: str) -> None:
        """End one, if it is there."""
        connection = self._connections.pop(node, None)
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """End all of them."""
        for node in self.open:
            self.drop(node)
        with self._hop_lock:
            for hop in reversed(self._hops.values()):
                hop.close()
            self._hops.clear()

    def offered_keys(self, machine: Machine) -> tuple[str, ...]:
        """The host keys that a machine shows, one of each kind it has, unverified. Its jump hosts are verified."""
        keys = []
        for kinds in _KEY_KINDS:
            try:
                key = self._offered(machine, kinds)
            except paramiko.ssh_exception.IncompatiblePeer:
                continue  # it has no key of this kind
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise ssh_errors.lost(machine, error) from error
            keys.append(f"{key.get_name()} {key.get_base64()}")
        return tuple(keys)

    def _offered(self, machine: Machine, kinds: Iterable[str]) -> paramiko.PKey:
        sock = self._channel(machine) or socket.create_connection((machine.address, machine.port), CONNECT_SECONDS)
        transport = paramiko.Transport(sock)
        try:
            transport.banner_timeout = CONNECT_SECONDS
            transport.get_security_options().key_types = tuple(kinds)
            transport.start_client(timeout=CONNECT_SECONDS)
            return transport.get_remote_server_key()
        finally:
            transport.close()

    def _channel(self, machine: Machine) -> paramiko.Channel | None:
        """A way to the machine's port through its jump host; None where it is reached directly."""
        if machine.through is None:
            return None
        try:
            transport = self._hop(machine.through)
            return transport.open_channel(
                "direct-tcpip", (machine.address, machine.port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS
            )
        except paramiko.ChannelException as error:
            raise ssh_errors.no_way(machine, error) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise ssh_errors.lost(machine.through, error) from error

    def _hop(self, hop: Machine) -> paramiko.Transport:
        """One connection to a jump host serves every machine behind it."""
        with self._hop_lock:
            connection = self._hops.get(hop)
            if connection is None or not connection.is_connected:
                self.known = known_hosts.record(self.env, [*self._machines, hop])
                connection = self._hops[hop] = self._open_patiently(hop)
            return _transport(connection)

    def _open_patiently(self, machine: Machine) -> fabric.Connection:
        try:
            return self._open(machine)
        except (ConnectionResetError, EOFError, paramiko.SSHException) as error:
            if isinstance(error, paramiko.AuthenticationException):
                raise
            # sshd hangs up on some when many come at once (MaxStartups): in the middle of the banner or of the
            # exchange of keys that is an SSHException. Once more.
            time.sleep(_AGAIN_SECONDS)
            return self._open(machine)

    def _open(self, machine: Machine) -> fabric.Connection:
        sock = self._channel(machine)
        key = machine.key or (None if machine.agent else str(self.key))
        connection = fabric.Connection(
            machine.address,
            user=machine.user,
            port=machine.port,
            connect_timeout=CONNECT_SECONDS,
            config=fabric.Config(overrides={"load_ssh_configs": False}),
            connect_kwargs={
                **({"key_filename": key} if key else {}),
                "allow_agent": machine.agent,
                "look_for_keys": machine.agent and not machine.key,
                **({"sock": sock} if sock else {}),
                "banner_timeout": CONNECT_SECONDS,
                "auth_timeout": CONNECT_SECONDS,
            },
        )
        # Fabric accepts any host key unless told otherwise: both lines are needed, on every connection.
        connection.client.load_host_keys(str(self.known))
        connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        if connection.client.get_host_keys().lookup(known_hosts.lookup_name(machine)) is None:
            raise ssh_errors.no_key(machine, self.known)
        try:
            connection.open()
        except paramiko.BadHostKeyException as error:
            raise ssh_errors.wrong_key(machine, error, self.known) from error
        return connection


def _transport(connection: fabric.Connection) -> paramiko.Transport:
    transport: paramiko.Transport | None = connection.transport
    if transport is None:
        raise paramiko.SSHException("the connection closed at once")
    return transport
