"""An edge per test: HAProxy and the router on loopback, nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from router_lab import HOST, Edge, Marathon, Tasks, free_port, listens, until

from bootstrap import engine

JARS = {"/usr/share/java/zookeeper.jar": "zookeeper", "/usr/share/java/slf4j-simple.jar": "libslf4j-java"}


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """HAProxy, and the ZooKeeper server of Debian's packages, which no command stands for."""
    absent = {jar: package for jar, package in JARS.items() if not Path(jar).exists()}
    wanted = {"haproxy": "haproxy", "java": "default-jre-headless", **absent}
    engine.install(wanted, lambda _node, _text: None, why="the router is tested with real programs")


@pytest.fixture(scope="session")
def tasks() -> Iterator[Tasks]:
    servers = Tasks()
    yield servers
    servers.close()


@pytest.fixture
def marathon() -> Iterator[Marathon]:
    server = Marathon()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_edge(tmp_path: Path, marathon: Marathon) -> Iterator[Callable[..., Edge]]:
    edges: list[Edge] = []

    def make(**settings: Any) -> Edge:
        folder = tmp_path / f"edge-{len(edges)}"
        folder.mkdir()
        edges.append(Edge(folder, marathon, settings))
        return edges[-1]

    yield make
    for edge in edges:
        edge.stop()


@pytest.fixture
def edge(make_edge: Callable[..., Edge]) -> Edge:
    return make_edge().start()


class ZooKeeper:
    """A server that can be stopped and started again with its data."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        lines = ("tickTime=500", f"dataDir={folder}", f"clientPort={self.port}", f"clientPortAddress={HOST}")
        (folder / "zoo.cfg").write_text("\n".join([*lines, "admin.enableServer=false", ""]))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        command = ["java", "-Xmx64m", "-cp", ":".join(JARS), main, str(self._folder / "zoo.cfg")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: listens(self.port), f"ZooKeeper does not listen:\n{(self._folder / 'log').read_text()}", 30)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeper]:
    """One for all tests, each with a path of its own."""
    server = ZooKeeper(tmp_path_factory.mktemp("zookeeper"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mortal_zookeeper(tmp_path: Path) -> Iterator[ZooKeeper]:
    """One that the test may stop."""
    folder = tmp_path / "zookeeper"
    folder.mkdir()
    server = ZooKeeper(folder)
    server.start()
    yield server
    server.stop()
