"""`status`, against small servers on loopback that speak as ZooKeeper and Mesos do, well and ill."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from bootstrap import health, status
from bootstrap.cli import status as command
from bootstrap.errors import ExitStatus
from bootstrap.health import Health, View, mesos, net, zookeeper
from bootstrap.health.net import Login
from bootstrap.model import Cluster, Node, Port, Role
from bootstrap.report import Report
from bootstrap.secrets import Secrets

ADDRESSES = ("127.0.71.11", "127.0.71.12", "127.0.71.13")
AGENTS = ("127.0.71.21", "127.0.71.22")
SECRET = "never-to-be-seen"
SILENT = object()  # a server that takes the connection and says nothing


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESSES[0], 0))
        return int(probe.getsockname()[1])


def make_cluster(path: Path, *, zk: int = 1, http: int = 1, agent: int = 1, masters: int = 3) -> Cluster:
    roles = {
        "zookeeper": Role("zookeeper", "", ("zookeeper",), ports=(Port("client", zk, "tcp"),)),
        "mesos-master": Role("mesos-master", "", (), needs=("zookeeper",), ports=(Port("http", http, "tcp"),)),
        "mesos-agent": Role("mesos-agent", "", (), needs=("mesos-master",), ports=(Port("http", agent, "tcp"),)),
        "base": Role("base", "", ("base",), ports=(Port("ssh", 1, "tcp"),)),
    }
    nodes = [
        Node(f"control-{i}", IPv4Address(address), ("zookeeper", "mesos-master"), zookeeper_id=i)
        for i, address in enumerate(ADDRESSES[:masters], 1)
    ]
    nodes += [Node(f"agent-{i}", IPv4Address(address), ("mesos-agent",)) for i, address in enumerate(AGENTS, 1)]
    network = IPv4Network("127.0.71.0/24")
    return Cluster("fake", path, "ssh", {}, "fake.utopia", network, tuple(nodes), roles, {})


def view(cluster: Cluster) -> View:
    return View(cluster, Login("operator", SECRET), seconds=0.5)


@pytest.fixture
def serve() -> Iterator[Any]:
    servers: list[socketserver.TCPServer] = []

    def start(server: socketserver.TCPServer) -> None:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Reusing(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def four_letters(address: str, port: int, answer: str | object) -> socketserver.TCPServer:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            assert self.request.recv(4) == b"mntr"
            if answer is SILENT:
                with contextlib.suppress(ConnectionError):
                    self.request.recv(1)  # until the asker gives up
            else:
                self.request.sendall(str(answer).encode())

    return Reusing((address, port), Handler)


def mntr(mode: str, synced: int | None = None) -> str:
    lines = ["zk_version\t3.8.0", f"zk_server_state\t{mode}"]
    return "\n".join(lines + ([f"zk_synced_followers\t{synced}"] if synced is not None else [])) + "\n"


def master(address: str, port: int, *, elected: bool, quorum: int = 2, slaves: Any = None) -> socketserver.TCPServer:
    pages = {
        "/metrics/snapshot": {"master/elected": float(elected), "registrar/log/recovered": 1.0},
        "/flags": {"flags": {"quorum": str(quorum)}},
        "/slaves": slaves or {"slaves": [], "recovered_slaves": []},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            expected = "Basic " + base64.b64encode(f"operator:{SECRET}".encode()).decode()
            known = self.headers["Authorization"] == expected
            body = json.dumps(pages[self.path]).encode() if known else b""
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return None

    return ThreadingHTTPServer((address, port), Handler)


def agent(address: str, *, active: bool = True) -> dict[str, Any]:
    resources = {"used_resources": {"cpus": 0.5}, "resources": {"cpus": 2.0}}
    return {"pid": f"slave(1)@{address}:5051", "active": active, **resources}


def of(found: list[Health], role: str, node: str = "") -> Health:
    return next(entry for entry in found if entry.role == role and entry.node == node)


WHOLE = (mntr("follower"), mntr("leader", 2), mntr("follower"))
NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"


@pytest.mark.parametrize(
    ("answers", "state", "words"),
    [
        (WHOLE, "ok", "leader control-2, 3 of 3 members serve"),
        ((None, *WHOLE[1:]), "degraded", "2 of 3 members serve"),
        ((SILENT, *WHOLE[1:]), "degraded", "2 of 3 members serve"),
        ((WHOLE[0], mntr("leader", 1), WHOLE[2]), "degraded", "1 of 2 followers in step"),
        ((None, None, NOT_SERVING), "failed", "no quorum: 0 of 3 members serve, 2 are needed"),
        ((mntr("standalone"), *WHOLE[1:]), "failed", "more than one leader: control-1, control-2"),
    ],
)
def test_ensemble(tmp_path: Path, serve: Any, answers: tuple[Any, ...], state: str, words: str) -> None:
    port = free_port()
    for address, answer in zip(ADDRESSES, answers, strict=True):
        if answer is not None:
            serve(four_letters(address, port, answer))
    found = zookeeper.check(view(make_cluster(tmp_path, zk=port)))
    whole = of(found, "zookeeper")
    assert (whole.state, words in whole.detail) == (state, True), whole


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "refuses connections"),
        (SILENT, "does not answer in time"),
        (NOT_SERVING, "finds no quorum"),
        ("mntr is not executed because it is not in the whitelist.\n", "does not allow the word mntr"),
        ("SSH-2.0-OpenSSH\n", "does not speak as ZooKeeper does"),
    ],
)
def test_member_that_is_ill(tmp_path: Path, serve: Any, answer: Any, words: str) -> None:
    port = free_port()
    if answer is not None:
        serve(four_letters(ADDRESSES[0], port, answer))
    found = of(zookeeper.check(view(make_cluster(tmp_path, zk=port))), "zookeeper", "control-1")
    assert (found.state, words in found.detail) == ("failed", True), found
    assert found.next_step == f"bootstrap ssh --env {tmp_path} control-1 -- journalctl -n 50 -u zookeeper"


def test_ensemble_of_one(tmp_path: Path, serve: Any) -> None:
    port = free_port()
    serve(four_letters(ADDRESSES[0], port, mntr("standalone")))
    found = zookeeper.check(view(make_cluster(tmp_path, zk=port, masters=1)))
    assert [entry.state for entry in found] == ["ok", "ok"]


def test_masters_and_agents_that_are_well(tmp_path: Path, serve: Any) -> None:
    port = free_port()
    slaves = {"slaves": [agent(address) for address in AGENTS], "recovered_slaves": []}
    for address in ADDRESSES:
        serve(master(address, port, elected=address == ADDRESSES[1], slaves=slaves))
    found = mesos.check(view(make_cluster(tmp_path, http=port)))
    assert not [entry for entry in found if entry.wrong]
    assert of(found, "mesos-master").detail == "leader control-2, 3 of 3 masters answer"
    assert of(found, "mesos-agent", "agent-2").detail == "active, 0.5 of 2 CPUs in use"
    assert SECRET not in repr(found) + repr(view(make_cluster(tmp_path)))


@pytest.mark.parametrize(
    ("slaves", "words"),
    [
        ({"slaves": [agent(AGENTS[0])]}, "not registered with the leader"),
        ({"slaves": [agent(AGENTS[0]), agent(AGENTS[1], active=False)]}, "lost"),
        ({"slaves": [agent(AGENTS[0])], "recovered_slaves": [agent(AGENTS[1])]}, "since the leader changed"),
    ],
)
def test_lost_agent(tmp_path: Path, serve: Any, slaves: dict[str, Any], words: str) -> None:
    port = free_port()
    for address in ADDRESSES:
        serve(master(address, port, elected=address == ADDRESSES[0], slaves=slaves))
    found = mesos.check(view(make_cluster(tmp_path, http=port)))
    assert [(entry.node, words in entry.detail) for entry in found if entry.wrong] == [("agent-2", True)]


def test_agent_of_no_file(tmp_path: Path, serve: Any) -> None:
    port = free_port()
    slaves = {"slaves": [agent(address) for address in (*AGENTS, "127.0.71.99")]}
    for address in ADDRESSES:
        serve(master(address, port, elected=address == ADDRESSES[0], slaves=slaves))
    found = mesos.check(view(make_cluster(tmp_path, http=port)))
    assert [entry.detail for entry in found if entry.wrong] == [
        "an agent that is in no file is registered: 127.0.71.99"
    ]


def test_dead_leader_and_no_other_yet(tmp_path: Path, serve: Any) -> None:
    port, agent_port = free_port(), free_port()
    for address in ADDRESSES[1:]:
        serve(master(address, port, elected=False))
    serve(four_letters(AGENTS[0], agent_port, SILENT))  # a process that listens
    found = mesos.check(view(make_cluster(tmp_path, http=port, agent=agent_port)))
    assert of(found, "mesos-master").detail == "no leader (2 of 3 masters answer)"
    assert of(found, "mesos-master", "control-1").detail == "refuses connections"
    assert of(found, "mesos-agent", "agent-1").detail == "runs, but no master leads it"
    assert of(found, "mesos-agent", "agent-2").detail == "refuses connections"


def test_standby_that_is_down_and_wrong_quorum(tmp_path: Path, serve: Any) -> None:
    port = free_port()
    slaves = {"slaves": [agent(address) for address in AGENTS]}
    serve(master(ADDRESSES[0], port, elected=True, slaves=slaves))
    serve(master(ADDRESSES[1], port, elected=False, quorum=1))
    found = mesos.check(view(make_cluster(tmp_path, http=port)))
    assert of(found, "mesos-master").state == "degraded"
    assert "quorum 1 where 2 is right" in of(found, "mesos-master", "control-2").detail
    assert of(found, "mesos-master", "control-3").state == "failed"


def test_login_that_is_refused(tmp_path: Path, serve: Any) -> None:
    port = free_port()
    for address in ADDRESSES:
        serve(master(address, port, elected=True))
    found = mesos.check(View(make_cluster(tmp_path, http=port), Login("operator", "another"), seconds=0.5))
    assert of(found, "mesos-master", "control-1").detail == "refuses the operator's login"


def test_nothing_there_is_said_in_time_and_makes_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    started = time.monotonic()
    found = status.ask(make_cluster(tmp_path))
    assert time.monotonic() - started < 3
    assert found.exit_status == ExitStatus.UNHEALTHY
    assert Secrets("fake").names() == ()
    assert found.problems[0].role == "base"
    assert "is not made" in of(list(found.found), "mesos-master").detail


def test_machine_that_does_not_run_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(status, "missing_machines", lambda cluster: {"control-1"})
    found = status.ask(make_cluster(tmp_path))
    assert of(list(found.found), "zookeeper", "control-1").detail == "its machine does not run"
    assert of(list(found.found), "zookeeper", "control-2").detail == "refuses connections"


def test_no_machine_at_all_is_one_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(status, "missing_machines", lambda cluster: {node.name for node in cluster.nodes})
    found = status.ask(make_cluster(tmp_path))
    assert [entry.detail for entry in found.found] == ["none of its 5 machines runs"]


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        (b"SSH-2.0-OpenSSH\r\n", ""),
        (b"HTTP/1.1 400\r\n", "is answered by something else"),
        (b"", "closes the connection at once"),
        (None, "does not answer in time"),
    ],
)
def test_ssh_port_is_believed_by_its_greeting(serve: Any, greeting: bytes | None, why: str) -> None:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if greeting is None:
                self.request.recv(1)
            else:
                self.request.sendall(greeting)

    port = free_port()
    serve(Reusing((ADDRESSES[0], port), Handler))
    target = (ADDRESSES[0], port)
    assert net.open_ports([target], greeting=b"SSH-2.0-", seconds=0.3) == {target: why}


def test_the_next_command_names_the_environment_as_it_was_given(tmp_path: Path) -> None:
    from bootstrap import config

    assert health.env_argument(config.load("small")) == "small"
    assert health.env_argument(make_cluster(tmp_path / "cluster.yaml")) == str(tmp_path / "cluster.yaml")


def test_a_check_that_hangs_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    release = threading.Event()

    def hang(_view: View) -> list[Health]:
        release.wait(30)
        return []

    monkeypatch.setattr(health, "checks", lambda: {"zookeeper": hang})
    found = status.ask(make_cluster(tmp_path), seconds=0.2)
    release.set()
    assert [entry.detail for entry in found.problems] == ["not all of it answered within 0.2 s"]


def test_a_defect_in_a_check_is_not_swallowed() -> None:
    def broken() -> int:
        raise KeyError("a defect")

    with pytest.raises(KeyError, match="a defect"):
        net.gather({"broken": broken}, 1)


def test_many_nodes_make_one_row() -> None:
    found = [Health("mesos-agent", f"agent-{i}", "ok", "active") for i in range(500)]
    found.append(Health("mesos-agent", "agent-x", "failed", "lost"))
    table = command.rows(found)
    assert table == [("mesos-agent", "agent-x", "failed", "lost"), ("mesos-agent", "500 nodes", "ok", "")]


def test_next_steps_are_few_and_each_said_once() -> None:
    problems = [Health("base", f"n{i}", "failed", "", step) for i, step in enumerate(["a", "a", "b", "c", "d"])]
    assert command.next_steps(problems) == ["a", "b", "c"]


def test_every_role_of_the_table_is_asked_or_said_not_to_be() -> None:
    import yaml

    from bootstrap import paths

    roles = yaml.safe_load((paths.PILLAR / "roles.yaml").read_text())["roles"]
    assert set(roles) == set(health.checks()) | set(health.ASKED_BY) | set(health.UNASKED)


SICK = status.Status(
    "small",
    (
        Health("base", "control-1", "ok", "SSH"),
        Health("zookeeper", "", "failed", "no quorum", "bootstrap cluster --env small"),
        Health("zookeeper", "control-1", "failed", "refuses connections", "bootstrap ssh --env small control-1"),
    ),
    0.5,
)


def test_screen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(status, "ask", lambda cluster: SICK)
    assert command.run(argparse.Namespace(env="small"), Report()) == ExitStatus.UNHEALTHY
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "ROLE       NODE       STATE   DETAIL",
        "base       control-1  ok      SSH",
        "zookeeper  (all)      failed  no quorum",
        "zookeeper  control-1  failed  refuses connections",
        "",
        "small: 2 things wrong",
        "  zookeeper: no quorum (zookeeper)",
        "  control-1: refuses connections (zookeeper)",
        "next: bootstrap cluster --env small",
        "next: bootstrap ssh --env small control-1",
    ]


def test_screen_of_a_well_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    well = status.Status("small", SICK.found[:1], 0.5)
    monkeypatch.setattr(status, "ask", lambda cluster: well)
    assert command.run(argparse.Namespace(env="small"), Report()) == ExitStatus.OK
    assert capsys.readouterr().out.splitlines()[-1] == "small: all is well (0.5 s)"


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(status, "ask", lambda cluster: SICK)
    assert command.run(argparse.Namespace(env="small"), Report(as_json=True)) == ExitStatus.UNHEALTHY
    document = json.loads(capsys.readouterr().out)
    assert document["healthy"] is False
    assert document["found"][1] == {
        "role": "zookeeper",
        "node": "",
        "state": "failed",
        "detail": "no quorum",
        "next": "bootstrap cluster --env small",
    }
