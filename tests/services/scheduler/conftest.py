"""A real ZooKeeper that tests may stop and start; the Mesos cluster is that of tests/services/mesos."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from waiting import eventually


def _load(name: str, path: Path) -> ModuleType:
    """A file beside us as a module: its folder's name is also that of a package."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


mesos: Any = _load("mesos_cluster", Path(__file__).parents[1] / "mesos" / "conftest.py")

# The fixtures of the cluster, under their names.
prerequisites, store, work, installed, image = (
    getattr(mesos, name) for name in ("prerequisites", "store", "work", "installed", "image")
)
zookeeper, cluster = mesos.zookeeper, mesos.cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.services)


class ZooKeeper:
    """One server on loopback. `stop` leaves its data and its port for the next `start`."""

    def __init__(self, folder: Path) -> None:
        self.port = mesos.free_port()
        self.address = f"{mesos.HOST}:{self.port}"
        lines = ("tickTime=500", f"dataDir={folder}", f"clientPort={self.port}", f"clientPortAddress={mesos.HOST}")
        (folder / "zoo.cfg").write_text("\n".join([*lines, "maxClientCnxns=0", "admin.enableServer=false", ""]))
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        command = ["java", "-Xmx128m", "-cp", ":".join(mesos.JARS), main, str(folder / "zoo.cfg")]
        self._process = mesos.Process(command, folder / "log")

    def start(self) -> None:
        self._process.start()
        eventually(lambda: mesos._listens(self.port), mesos.START_SECONDS, f"no ZooKeeper:\n{self._process.tail()}")

    def stop(self) -> None:
        self._process.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def own_zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeper]:
    """A server that only the tests of one file use."""
    server = ZooKeeper(tmp_path_factory.mktemp("zookeeper"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def tree(request: pytest.FixtureRequest) -> Callable[[], str]:
    """A path in ZooKeeper of this test's own."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return lambda: f"/test/{name}"
