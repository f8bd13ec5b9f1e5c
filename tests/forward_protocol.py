"""Fluentd's forward protocol as far as a login goes: a shipper that logs in, and an aggregator that is logged in at.

MessagePack is spelt out: nothing else here needs a library for it.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 10.0


@dataclass(frozen=True)
class Pong:
    """The aggregator's answer. `digest`: whether it proved to know the key itself."""

    accepted: bool
    reason: str
    digest: bool


def packed(value: Any) -> bytes:
    """MessagePack of what this protocol needs, all of it short."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, bytes):
        return struct.pack("BB", 0xC4, len(value)) + value
    if isinstance(value, str):
        return struct.pack("BB", 0xD9, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(packed(part) for pair in value.items() for part in pair)
    return bytes([0x90 | len(value)]) + b"".join(packed(part) for part in value)


class Reader:
    """Values from a connection, one by one."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")

    def value(self) -> Any:
        """The next one. EOFError where the other side has closed."""
        (head,) = self._bytes(1)
        if head in (0xC2, 0xC3):
            return head == 0xC3
        if head in (0xC4, 0xD9):
            text = self._bytes(self._bytes(1)[0])
            return text if head == 0xC4 else text.decode()
        if head >> 4 == 8:
            return {self.value(): self.value() for _ in range(head & 15)}
        if head >> 4 == 9:
            return [self.value() for _ in range(head & 15)]
        if head >> 5 == 5:
            return self._bytes(head & 31).decode()
        raise ValueError(f"not in the forward protocol's answers: 0x{head:02x}")

    def _bytes(self, count: int) -> bytes:
        found = self._file.read(count)
        if len(found) < count:
            raise EOFError("the other side closed the connection")
        return found


def digest(salt: bytes, host: str, nonce: bytes, key: str) -> str:
    """What proves that one knows the key."""
    return hashlib.sha512(salt + host.encode() + nonce + key.encode()).hexdigest()


def log_in(host: str, port: int, *, ca: Path, name: str, key: str, who: str = "contract") -> Pong:
    """Over TLS verified for `name`. OSError, EOFError or ValueError where it is no aggregator."""
    context = ssl.create_default_context(cafile=str(ca))
    plain = socket.create_connection((host, port), SECONDS)
    with plain, context.wrap_socket(plain, server_hostname=name) as connection:
        reader = Reader(connection)
        greeting, options = reader.value()
        if greeting != "HELO":
            raise ValueError(f"greets with {greeting!r}")
        nonce, salt = options["nonce"], secrets.token_bytes(16)
        connection.sendall(packed(["PING", who, salt, digest(salt, who, nonce, key), "", ""]))
        _, accepted, reason, there, proof = reader.value()
    return Pong(accepted, reason, bool(accepted) and proof == digest(salt, there, nonce, key))


class Aggregator(socketserver.ThreadingTCPServer):
    """Greets and checks the key as Fluentd does; takes no lines. `greets=False`: something else on its port."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, certificate: Path, key_file: Path, key: str, *, greets: bool = True) -> None:
        self.key, self.greets = key, greets
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key_file)
        super().__init__(("127.0.0.1", 0), _Conversation)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


@contextmanager
def aggregators(certificate: Path, key_file: Path, key: str) -> Iterator[Callable[..., int]]:
    """Each call starts one, and gives its port; all of them end with the context."""
    running = []

    def start(**how: bool) -> int:
        server = Aggregator(certificate, key_file, key, **how)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        running.append(server)
        return server.port

    try:
        yield start
    finally:
        for server in running:
            server.shutdown()
            server.server_close()


class _Conversation(socketserver.BaseRequestHandler):
    server: Aggregator

    def handle(self) -> None:
        nonce = secrets.token_bytes(16)
        try:
            with self.server.context.wrap_socket(self.request, server_side=True) as connection:
                greeting = packed(["HELO", {"nonce": nonce, "auth": "", "keepalive": True}])
                connection.sendall(greeting if self.server.greets else b"SSH-2.0-x\r\n")
                _, who, salt, proof, _, _ = Reader(connection).value()
                known = proof == digest(salt, who, nonce, self.server.key)
                answer = ["PONG", known, "" if known else "shared_key mismatch", "here", ""]
                answer[-1] = digest(salt, "here", nonce, self.server.key) if known else ""
                connection.sendall(packed(answer))
        except (OSError, EOFError, ValueError):
            return  # it has gone
