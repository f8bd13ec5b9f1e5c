"""Probes, against small servers on loopback that answer like the real ones."""

from __future__ import annotations

import base64
import json
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

PASSWORD = base64.b64encode(b"operator:s3cret").decode()


@pytest.fixture
def serve():
    """Run a server in a thread until the test ends."""
    servers = []

    def start(server):
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def probe(load, tmp_path):
    """`probe` of a node whose services listen on `port`, in an ensemble of the given size."""

    def made(port, *, size=3):
        pillar = {"node": {"address": "127.0.0.1"}, "zookeeper": {"ensemble": [{}] * size}}
        module = load("_modules/readiness", pillar=pillar)
        module.ZOOKEEPER_PORT = module.MASTER_PORT = module.AGENT_PORT = port
        path = tmp_path / "credentials.json"
        credentials = [{"principal": "agent", "secret": "x"}, {"principal": "operator", "secret": "s3cret"}]
        path.write_text(json.dumps({"credentials": credentials}), encoding="utf-8")
        module.MASTER_CREDENTIALS = module.AGENT_CREDENTIALS = str(path)
        return module.probe

    return made


class ZooKeeper(socketserver.TCPServer):
    def __init__(self, said):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(said.get(self.request.recv(4).decode(), "").encode())

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.mark.parametrize(
    ("said", "size", "ready", "mode", "detail"),
    [
        ({"srvr": "Zxid: 0x1\nMode: follower\nNode count: 5\n"}, 3, True, "follower", "is a follower"),
        ({"srvr": "Mode: leader\n", "mntr": "zk_synced_followers\t2\n"}, 3, True, "leader", "leads, 2 of 2"),
        ({"srvr": "Mode: leader\n", "mntr": "zk_synced_followers\t1.0\n"}, 3, False, "leader", "leads, 1 of 2"),
        ({"srvr": "Mode: leader\n", "mntr": "not currently serving\n"}, 3, False, "leader", "leads, 0 of 2"),
        ({"srvr": "Mode: standalone\n"}, 1, True, "standalone", "serves alone"),
        ({"srvr": "Mode: standalone\n"}, 3, False, "standalone", "with 2 others named"),
        (
            {"srvr": "This ZooKeeper instance is not currently serving requests\n"},
            3,
            False,
            "",
            "not currently serving",
        ),
        ({}, 3, False, "", "closed the connection"),
    ],
)
def test_zookeeper(serve, probe, said, size, ready, mode, detail):
    server = serve(ZooKeeper(said))
    answer = probe(server.server_address[1], size=size)("zookeeper")
    assert (answer["ready"], answer["mode"]) == (ready, mode)
    assert detail in answer["detail"]


def test_a_service_that_is_down_is_an_answer(probe):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    for name in ("zookeeper", "mesos-master", "mesos-agent"):
        answer = probe(free)(name)
        assert answer["ready"] is False
        assert "refused" in answer["detail"]


def mesos(metrics, *, leader="", health=200):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/health":
                return self._send(health, b"")
            if self.headers.get("Authorization") != f"Basic {PASSWORD}":
                return self._send(401, b"")
            if self.path == "/metrics/snapshot":
                return self._send(200, json.dumps(metrics).encode())
            return self._send(307, b"", leader) if leader else self._send(503, b"No leader elected")

        def _send(self, status, body, location=""):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    return HTTPServer(("127.0.0.1", 0), Handler)


LEADING = {"master/elected": 1.0, "registrar/log/recovered": 1.0, "master/slaves_active": 2.0}
STANDING_BY = {"master/elected": 0.0, "registrar/log/recovered": 1.0}


@pytest.mark.parametrize(
    ("metrics", "leader", "health", "ready", "mode", "detail"),
    [
        (LEADING, "", 200, True, "leader", "leads 2 active agents"),
        ({**LEADING, "registrar/log/recovered": 0.0}, "", 200, False, "", "has not recovered"),
        (STANDING_BY, "//10.0.0.1:5050", 200, True, "follower", "stands by for 10.0.0.1"),
        (STANDING_BY, "", 200, False, "", "knows no leading master"),
        # ZooKeeper still names this master, which has lost its office: it is about to end itself.
        (STANDING_BY, "//127.0.0.1:5050", 200, False, "follower", "stands by for"),
        (LEADING, "", 503, False, "", "/health answers with status 503"),
    ],
)
def test_mesos_master(serve, probe, metrics, leader, health, ready, mode, detail):
    server = serve(mesos(metrics, leader=leader, health=health))
    answer = probe(server.server_port)("mesos-master")
    assert (answer["ready"], answer["mode"]) == (ready, mode)
    assert detail in answer["detail"]


@pytest.mark.parametrize(("registered", "detail"), [(1.0, "registered"), (0.0, "no master has registered it")])
def test_mesos_agent(serve, probe, registered, detail):
    server = serve(mesos({"slave/registered": registered}))
    answer = probe(server.server_port)("mesos-agent")
    assert answer["ready"] is bool(registered)
    assert detail in answer["detail"]


def test_wrong_credentials_are_told_without_the_secret(serve, load, tmp_path):
    server = serve(mesos({"slave/registered": 1.0}))
    module = load("_modules/readiness", pillar={"node": {"address": "127.0.0.1"}})
    module.AGENT_PORT = server.server_port
    path = tmp_path / "credentials.json"
    module.AGENT_CREDENTIALS = str(path)
    path.write_text('{"credentials": [{"principal": "operator", "secret": "of-yesterday"}]}', encoding="utf-8")
    answer = module.probe("mesos-agent")
    assert answer["ready"] is False
    assert "401" in answer["detail"]
    assert "of-yesterday" not in answer["detail"]
    path.write_text('{"credentials": []}', encoding="utf-8")
    assert "no credential of the principal operator" in module.probe("mesos-agent")["detail"]
    path.unlink()
    assert module.probe("mesos-agent")["ready"] is False


def test_docker_is_asked_for_its_version(load):
    def gone():
        raise ConnectionRefusedError("nobody there")

    assert load("_modules/readiness", salt={"engine.version": lambda: "20.10.24"}).probe("docker") == {
        "ready": True,
        "mode": "",
        "detail": "engine 20.10.24",
    }
    answer = load("_modules/readiness", salt={"engine.version": gone}).probe("docker")
    assert (answer["ready"], answer["detail"]) == (False, "nobody there")


def test_an_unknown_probe_is_an_error_and_not_an_answer(load):
    with pytest.raises(ValueError, match="no readiness probe 'zookeper'"):
        load("_modules/readiness").probe("zookeper")


class Api(HTTPServer):
    """Answers paths with (status, document) for who has the login, and /status to everybody."""

    def __init__(self, answers):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                known = self.path in ("/status", "/") or self.headers.get("Authorization") == f"Basic {PASSWORD}"
                status, document = answers.get(self.path, (404, {})) if known else (401, {})
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def applications(load):
    """`probe` of a node whose Marathon, HAProxy and router all listen on `port`."""

    def made(port):
        pillar = {
            "node": {"address": "127.0.0.1"},
            "marathon": {"port": port},
            "ingress": {"ports": {"http": port, "api": port}},
            "secrets": {"marathon-operator": "s3cret"},
        }
        return load("_modules/readiness", pillar=pillar)

    return made


@pytest.mark.parametrize(
    ("leader", "info", "ready", "mode", "detail"),
    [
        ("127.0.0.1:PORT", {"frameworkId": "f"}, True, "leader", "leads"),
        ("10.0.0.2:8080", {"frameworkId": "f"}, True, "follower", "stands by for 10.0.0.2:8080"),
        ("10.0.0.2:8080", {}, False, "follower", "10.0.0.2:8080 leads, and Mesos has not registered it"),
        ("", {}, False, "", "knows no leader"),
    ],
)
def test_marathon(serve, applications, leader, info, ready, mode, detail):
    answers = {"/v2/info": (200, info)}
    port = serve(Api(answers)).server_address[1]
    answers["/v2/leader"] = (200, {"leader": leader.replace("PORT", str(port))})
    assert applications(port).probe("marathon") == {"ready": ready, "mode": mode, "detail": detail}


def test_marathon_without_a_leader_to_pass_the_question_on_to(serve, applications):
    port = serve(Api({"/v2/leader": (503, {})})).server_address[1]
    assert applications(port).probe("marathon")["detail"] == "/v2/leader answers with status 503"


@pytest.mark.parametrize(
    ("status", "ready", "detail"),
    [(200, True, "answers with status 503"), (404, False, "/status answers with status 404")],
)
def test_the_edge_is_ready_when_both_answer(serve, applications, status, ready, detail):
    port = serve(Api({"/status": (status, "OK"), "/": (503, "")})).server_address[1]
    answer = applications(port).probe("ingress")
    assert (answer["ready"], answer["detail"]) == (ready, detail)
    assert applications(port).probe("haproxy")["ready"]


def test_the_ports_of_applications_come_from_the_pillar(applications):
    ports = applications(4711).PORTS
    assert {ports[name]() for name in ("marathon", "haproxy", "ingress")} == {4711}


def test_a_pillar_from_before_the_service_came_to_the_node_is_told(load):
    """What `bootstrap cluster` shows of it; a KeyError alone says nothing to its reader."""
    module = load("_modules/readiness", pillar={"node": {"address": "127.0.0.1"}, "components": []})
    with pytest.raises(RuntimeError, match=r"^prometheus: 'alerts' is missing in this minion's pillar"):
        module.probe("prometheus")
