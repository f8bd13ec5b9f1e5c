"""A real ZooKeeper that tests may stop and start; the Mesos cluster is that of tests/services/mesos."""

from __future__ import annotations

import base64
import http.client
import importlib.util
import json
import secrets
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
Answer = mesos.Answer


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


Json = Any


class Scheduler:
    """One scheduler process and a client of its API."""

    def __init__(self, folder: Path, name: str, config: dict[str, Any], login: tuple[str, str]) -> None:
        self.port = mesos.free_port()
        self.address = f"{mesos.HOST}:{self.port}"
        self.login = login
        self.url = f"http://{self.address}"
        path = folder / f"{name}.json"
        path.write_text(json.dumps({**config, "hostname": mesos.HOST, "http_port": self.port}))
        command = [sys.executable, "-m", "services.scheduler", "--config", str(path)]
        self.process = mesos.Process(command, folder / f"{name}.log", self.address)
        self.process.log.touch()

    @property
    def alive(self) -> bool:
        return self.process.popen is not None and self.process.popen.poll() is None

    @property
    def answers(self) -> bool:
        """Who leads is known to it."""
        try:
            return self.ask("GET", "/v2/info").status == 200
        except OSError:
            return False

    @property
    def pid(self) -> int:
        assert self.process.popen is not None
        return int(self.process.popen.pid)

    def start(self) -> None:
        self.process.start()

    def wait(self, seconds: float = 20) -> int:
        """The status it ends with."""
        assert self.process.popen is not None
        return int(self.process.popen.wait(seconds))

    def ask(
        self, method: str, path: str, body: Json = None, *, login: tuple[str, str] | None = ("", ""), **headers: str
    ) -> Answer:
        """One request as the operator, as somebody else, or as nobody (None). Bytes are sent as they are."""
        connection = http.client.HTTPConnection(self.address, timeout=20)
        who = self.login if login == ("", "") else login
        if who:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(who).encode()).decode()
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        try:
            connection.request(method, path, data, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Json:
        answer = self.ask("GET", path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.body!r}"
        return answer.json()

    def tasks(self, app_id: str) -> list[Json]:
        answer = self.ask("GET", f"/v2/apps{app_id}/tasks")
        return list(answer.json()["tasks"]) if answer.status == 200 else []

    def running(self, app_id: str) -> dict[str, Json]:
        """Running tasks by id."""
        return {task["id"]: task for task in self.tasks(app_id) if task["state"] == "TASK_RUNNING"}

    def deployed(self, answer: Answer, seconds: float = 60) -> Json:
        """Wait for the end of the deployment that an answer names."""
        assert answer.status in (200, 201), f"{answer.status} {answer.body!r}"
        deployment = answer.headers["Marathon-Deployment-Id"]
        self.settled(deployment, seconds)
        return answer.json()

    def settled(self, deployment: str, seconds: float = 60) -> None:
        def over() -> bool:
            return deployment not in [each["id"] for each in self.get("/v2/deployments")]

        self.until(over, seconds, f"deployment {deployment} goes on")

    def until(self, condition: Callable[[], Any], seconds: float, what: str) -> None:
        """Wait, and fail with the end of the log."""
        try:
            eventually(condition, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{self.address}: {error}\n{self.process.tail()}") from None


@pytest.fixture(scope="session")
def new_scheduler() -> type[Scheduler]:
    """The class, for files that start theirs in their own way."""
    return Scheduler


class Schedulers:
    """Three of them on one Mesos cluster."""

    def __init__(self, members: list[Scheduler]) -> None:
        self.members = members

    @property
    def leader(self) -> Scheduler:
        """The one that leads and is ready to."""
        return eventually(self._leader, 30, f"nobody leads:\n{[each.process.tail() for each in self.members]}")

    @property
    def standbys(self) -> list[Scheduler]:
        leader = self.leader
        return [each for each in self.members if each is not leader and each.alive]

    def _leader(self) -> Scheduler | None:
        for each in self.members:
            if each.alive:
                try:
                    answer = each.ask("GET", "/v2/info")
                except OSError:
                    continue
                if answer.status == 200 and answer.json()["frameworkId"]:
                    found = answer.json()["leader"]
                    return next((other for other in self.members if other.address == found and other.alive), None)
        return None

    def restore(self) -> None:
        """As systemd does; until all of them answer."""

        def back(each: Scheduler) -> bool:
            if not each.alive:
                each.start()
            return each.answers

        for each in self.members:
            each.until(lambda each=each: back(each), 30, "does not answer")


@pytest.fixture(scope="module")
def make_scheduler(
    cluster: Any, zookeeper: str, work: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Scheduler]]:
    """Makes schedulers that share a state of this file's own: (name, **settings)."""
    made: list[Scheduler] = []
    name = Path(str(request.path)).stem
    folder = work / name
    folder.mkdir()
    logins = {"http": ("operator", secrets.token_hex(8)), "zk": ("marathon", secrets.token_hex(8))}
    principal, secret = cluster.logins["marathon"]
    for file, text in {**{key: ":".join(pair) for key, pair in logins.items()}, "mesos": secret}.items():
        (folder / file).write_text(text)
        (folder / file).chmod(0o600)

    def make(member: str, **settings: Any) -> Scheduler:
        config = {
            "master": f"zk://{zookeeper}/mesos",
            "zk": f"zk://{zookeeper}/{name}",
            "http_address": mesos.HOST,
            "http_credentials_file": str(folder / "http"),
            "zk_credentials_file": str(folder / "zk"),
            "mesos_authentication_principal": principal,
            "mesos_authentication_secret_file": str(folder / "mesos"),
            "zk_session_timeout": 6_000,
            "failover_timeout": 60,
            "kill_drain_seconds": 0.5,
            "min_revive_offers_interval": 500,
            "decline_offer_duration": 1_000,
            "logging_level": "debug",
            **settings,
        }
        made.append(Scheduler(folder, member, config, logins["http"]))
        return made[-1]

    yield make
    for each in made:
        if each.alive:
            each.process.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def schedulers(make_scheduler: Callable[..., Scheduler]) -> Iterator[Schedulers]:
    """Three, of which one leads. Their applications are removed in the end."""
    group = Schedulers([make_scheduler(f"scheduler-{number}") for number in (1, 2, 3)])
    group.restore()
    yield group
    group.restore()
    leader = group.leader
    leader.deployed(leader.ask("DELETE", "/v2/groups?force=true"))
