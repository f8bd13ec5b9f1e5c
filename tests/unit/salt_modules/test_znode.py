"""Access control lists over the wire protocol of ZooKeeper; the real server's part is in the end-to-end tests."""

from __future__ import annotations

import socketserver
import struct
import threading

import pytest

PILLAR = {"secrets": {"zookeeper-mesos": "s3cret"}}
OPEN = [(31, "world", "anyone")]


def test_digest_is_the_servers_own(load):
    # `java org.apache.zookeeper.server.auth.DigestAuthenticationProvider super:secret-of-zookeeper-super`
    found = load("_modules/znode").digest("super", "secret-of-zookeeper-super")
    assert found == "super:Zlg9dMhiQ7UGwIF8gWwq5zkBjRA="


class ZooKeeper(socketserver.ThreadingTCPServer):
    """Nodes with their lists, for one session after the other; refuses whoever is not `mesos:s3cret`."""

    daemon_threads = True

    def __init__(self, module, nodes):
        self.module, self.nodes, self.asked = module, nodes, []
        super().__init__(("127.0.0.1", 0), Session)


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self._receive()
        self._send(struct.pack(">iiqi16s?", 0, 5000, 7, 16, b"", False))
        while (kind := self._answer()) != -11:
            pass
        self.server.asked.append(kind)

    def _answer(self):
        body = self._receive()
        xid, kind = struct.unpack_from(">ii", body)
        self.server.asked.append(kind)
        answer, error = b"", 0
        if kind == 100:
            error = 0 if b"mesos:s3cret" in body else -115
        elif kind in (1, 6, 7):
            path, at = self.server.module._parse_text(body, 8)
            answer, error = getattr(self, f"_kind_{kind}")(path, body[at:])
        self._send(struct.pack(">iqi", xid, 1, error) + answer)
        return kind

    def _kind_1(self, path, body):
        if path in self.server.nodes:
            return b"", -110
        self.server.nodes[path] = self.server.module._parse_entries(body[4:])
        return b"", 0

    def _kind_6(self, path, _body):
        if path not in self.server.nodes:
            return b"", -101
        return self.server.module._entries(self.server.nodes[path]) + bytes(68), 0

    def _kind_7(self, path, body):
        self.server.nodes[path] = self.server.module._parse_entries(body)
        return bytes(68), 0

    def _receive(self):
        (length,) = struct.unpack(">i", self.rfile.read(4))
        return self.rfile.read(length)

    def _send(self, body):
        self.wfile.write(struct.pack(">i", len(body)) + body)


@pytest.fixture
def zookeeper(load):
    """(module, server): the module asks a dead server first, then this one."""
    module = load("_modules/znode", pillar=dict(PILLAR))
    server = ZooKeeper(module, {"/open": OPEN})
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    module.__pillar__["zookeeper"] = {"connect": f"127.77.0.9:1,127.0.0.1:{server.server_address[1]}"}
    yield module, server
    server.shutdown()
    server.server_close()


def test_a_missing_node_is_made_protected(zookeeper):
    module, server = zookeeper
    assert module.acl("/mesos", "mesos", "zookeeper-mesos") is None
    module.protect("/mesos", "mesos", "zookeeper-mesos")
    assert server.nodes["/mesos"] == module.protection("mesos", "zookeeper-mesos")
    assert module.acl("/mesos", "mesos", "zookeeper-mesos") == module.protection("mesos", "zookeeper-mesos")


def test_an_open_node_is_closed_and_a_closed_one_left_alone(zookeeper):
    module, server = zookeeper
    module.protect("/open", "mesos", "zookeeper-mesos")
    assert server.nodes["/open"] == module.protection("mesos", "zookeeper-mesos")
    server.asked.clear()
    module.protect("/open", "mesos", "zookeeper-mesos")
    assert 7 not in server.asked


def test_a_refusal_and_silence_are_errors_without_the_secret(zookeeper):
    module, _ = zookeeper
    with pytest.raises(OSError, match="wrong credentials") as refused:
        module.acl("/open", "somebody", "zookeeper-mesos")
    assert "s3cret" not in str(refused.value)
    module.__pillar__["zookeeper"] = {"connect": "127.77.0.9:1,127.77.0.8:1"}
    with pytest.raises(OSError, match=r"127\.77\.0\.9:1.*127\.77\.0\.8:1"):
        module.acl("/open", "mesos", "zookeeper-mesos")


def functions(found, protects=None):
    def acl(_path, _user, _secret):
        if isinstance(found, Exception):
            raise found
        return found

    calls = [] if protects is None else protects
    return {"znode.acl": acl, "znode.protection": lambda *_: ["wanted"], "znode.protect": lambda *a: calls.append(a)}


@pytest.mark.parametrize(
    ("found", "test", "result", "changed", "protected"),
    [
        (["wanted"], False, True, False, 0),
        (None, False, True, True, 1),
        (OPEN, False, True, True, 1),
        (OPEN, True, None, False, 0),
        (OSError("refused"), False, False, False, 0),
        (OSError("refused"), True, None, False, 0),
    ],
)
def test_the_state(load, found, test, result, changed, protected):
    calls = []
    state = load("_states/znode", salt=functions(found, calls), test=test)
    answer = state.protected("/mesos", "mesos", "zookeeper-mesos")
    assert (answer["result"], bool(answer["changes"]), len(calls)) == (result, changed, protected)
