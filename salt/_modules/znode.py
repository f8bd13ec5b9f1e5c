"""ZooKeeper nodes and who may touch them: just enough of its wire protocol, for there is no client in Salt's venv.

An entry of an access control list is (permissions, scheme, id); `secret` names a password in the node's pillar.
"""

import base64
import contextlib
import hashlib
import socket
import struct

READ, ALL = 1, 31
TIMEOUT = 5  # seconds for each server
_CREATE, _GET_ACL, _SET_ACL, _AUTH, _CLOSE = 1, 6, 7, 100, -11
_AUTH_XID = -4  # the protocol's own number for the answer to an authentication
_NODE_EXISTS = -110
_ERRORS = {-101: "no such node", -102: "not permitted", -115: "wrong credentials", -4: "connection lost"}


class ZooKeeperError(OSError):
    """A server refused a request."""


def digest(user, password):
    """`user:base64(sha1(user:password))`: what the server compares with, safe from being read back."""
    # SHA-1 is the server's own choice of algorithm for the digest scheme.
    hashed = hashlib.sha1(f"{user}:{password}".encode(), usedforsecurity=False).digest()
    return f"{user}:{base64.b64encode(hashed).decode()}"


def acl(path, user, secret):
    """The access control list of `path` as `user` sees it, as a sorted list; None if there is no such node."""
    with _session(user, secret) as session:
        return session.acl(path)


def exists(path, user, secret):
    """Whether there is such a node."""
    return acl(path, user, secret) is not None


def protect(path, user, secret):
    """Make `path` if it is missing; then everyone may read it, and only `user` may do more."""
    with _session(user, secret) as session:
        wanted = protection(user, secret)
        session.create(path, wanted)
        if session.acl(path) != wanted:
            session.set_acl(path, wanted)


def protection(user, secret):
    """The list that `protect` sets."""
    return sorted([(ALL, "digest", digest(user, __pillar__["secrets"][secret])), (READ, "world", "anyone")])


@contextlib.contextmanager
def _session(user, secret):
    problems = []
    for server in __pillar__["zookeeper"]["connect"].split(","):
        host, port = server.rsplit(":", 1)
        try:
            connection = socket.create_connection((host, int(port)), TIMEOUT)
        except OSError as error:
            problems.append(f"{server}: {error}")
            continue
        with connection:
            session = _Session(connection)
            session.authenticate(user, __pillar__["secrets"][secret])
            yield session
            session.close()
        return
    raise ZooKeeperError("; ".join(problems))


class _Session:
    """One connection, one request at a time. The session ends with it: nothing here is ephemeral."""

    def __init__(self, connection):
        self._connection = connection
        self._xid = 0
        self._send(struct.pack(">iqiqi16s?", 0, 0, TIMEOUT * 1000, 0, 16, b"", False))
        self._receive()

    def authenticate(self, user, password):
        body = struct.pack(">i", 0) + _text("digest") + _text(f"{user}:{password}")
        self._request(_AUTH, body, xid=_AUTH_XID)

    def create(self, path, entries):
        body = _text(path) + _text("") + _entries(entries) + struct.pack(">i", 0)
        self._request(_CREATE, body, allowed=(_NODE_EXISTS,))

    def acl(self, path):
        body = self._request(_GET_ACL, _text(path), allowed=(-101,))
        return None if body is None else _parse_entries(body)

    def set_acl(self, path, entries):
        self._request(_SET_ACL, _text(path) + _entries(entries) + struct.pack(">i", -1))

    def close(self):
        self._request(_CLOSE, b"")

    def _request(self, kind, body, *, xid=None, allowed=()):
        self._xid += 1
        self._send(struct.pack(">ii", self._xid if xid is None else xid, kind) + body)
        answer = self._receive()
        _, _, error = struct.unpack_from(">iqi", answer)
        if error in allowed:
            return None
        if error:
            raise ZooKeeperError(f"ZooKeeper answers: {_ERRORS.get(error, f'error {error}')}")
        return answer[16:]

    def _send(self, body):
        self._connection.sendall(struct.pack(">i", len(body)) + body)

    def _receive(self):
        (length,) = struct.unpack(">i", self._read(4))
        return self._read(length)

    def _read(self, length):
        data = b""
        while len(data) < length:
            more = self._connection.recv(length - len(data))
            if not more:
                raise ZooKeeperError("ZooKeeper closed the connection: it serves no requests, or refuses ours")
            data += more
        return data


def _text(value):
    data = value.encode()
    return struct.pack(">i", len(data)) + data


def _entries(entries):
    packed = [struct.pack(">i", permissions) + _text(scheme) + _text(name) for permissions, scheme, name in entries]
    return struct.pack(">i", len(packed)) + b"".join(packed)


def _parse_entries(body):
    (count,) = struct.unpack_from(">i", body)
    entries, at = [], 4
    for _ in range(count):
        (permissions,) = struct.unpack_from(">i", body, at)
        scheme, at = _parse_text(body, at + 4)
        name, at = _parse_text(body, at)
        entries.append((permissions, scheme, name))
    return sorted(entries)


def _parse_text(body, at):
    (length,) = struct.unpack_from(">i", body, at)
    return body[at + 4 : at + 4 + length].decode(), at + 4 + length
