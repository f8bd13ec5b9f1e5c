"""Real ZooKeeper, Mesos masters and agent on loopback, from the unpacked package; nothing is left behind."""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_port
from mesos_framework import MesosFramework
from waiting import eventually

from bootstrap import artifacts, engine

# What the package depends on, and the server that masters meet at.
PACKAGES = (
    *("libapr1", "libaprutil1", "libcurl4", "libsasl2-2", "libsasl2-modules", "libserf-1-1", "libsvn1"),
    *("libutf8proc2", "libzookeeper-java", "libslf4j-java", "openjdk-17-jre-headless", "unzip", "util-linux"),
)
JARS = ("/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar")
HOST = "127.0.0.1"
START_SECONDS = 30.0
OPERATOR = ("operator", "")  # stands for the operator's real login


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def request(
    address: str, path: str, login: tuple[str, str] | None = None, body: dict[str, Any] | None = None
) -> Answer:
    """GET, or POST of a JSON body. Redirects are not followed."""
    connection = http.client.HTTPConnection(address, timeout=10)
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    try:
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read())
    finally:
        connection.close()


@dataclass
class Process:
    """A program with its log. `command` is kept, so that it can be started again."""

    command: list[str]
    log: Path
    address: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command, stdout=log, stderr=log, env={**os.environ, **self.environment}, start_new_session=True
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal to this process only (not to the executors) and wait for its end."""
        assert self.popen is not None
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(30)

    def ask(self, path: str, login: tuple[str, str] | None = None) -> Answer:
        return request(self.address, path, login)

    def wait_until_healthy(self) -> None:
        def healthy() -> bool:
            try:
                return self.ask("/health").status == 200
            except OSError:
                return False

        eventually(healthy, START_SECONDS, f"{self.address} is not healthy:\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


@dataclass(frozen=True)
class Installed:
    """The unpacked package."""

    root: Path
    package: Path

    @property
    def master(self) -> str:
        return str(self.root / "usr/sbin/mesos-master")

    @property
    def agent(self) -> str:
        return str(self.root / "usr/sbin/mesos-agent")

    @property
    def libexec(self) -> Path:
        return self.root / "usr/lib/utopia-mesos/libexec"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.services)


def _quiet(_node: str, _message: str) -> None:
    """Nobody reads the progress of a test's preparations."""


@pytest.fixture(scope="session")
def prerequisites() -> None:
    """Everything is there, or the tests fail and say what to install."""
    assert os.geteuid() == 0, "these tests run agents with control groups and Docker: run them as root"
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *PACKAGES]
    known = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    missing = [package for package in PACKAGES if f"{package} installed" not in known]
    engine.install({f"package {name}": name for name in missing}, _quiet, why="Mesos and ZooKeeper need them")
    engine.ensure(_quiet)
    assert Path("/sys/fs/cgroup/freezer").is_dir(), "control groups of version 1 are needed: mount them"


@pytest.fixture(scope="session")
def store(prerequisites: None) -> dict[str, artifacts.Artifact]:
    return artifacts.ensure(["mesos-binary", "mesos", "task-image"], _quiet)


@pytest.fixture(scope="session")
def work() -> Iterator[Path]:
    """A folder that every user can enter: a task of the tests runs as nobody."""
    folder = Path(tempfile.mkdtemp(prefix="utopia-mesos-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def installed(store: dict[str, artifacts.Artifact], work: Path) -> Installed:
    subprocess.run(["dpkg-deb", "--extract", str(store["mesos"].path), str(work / "root")], check=True)
    return Installed(work / "root", store["mesos"].path)


@pytest.fixture(scope="session")
def image(store: dict[str, artifacts.Artifact]) -> Iterator[str]:
    """The task image, loaded; removed again if it was not there before."""
    name = store["task-image"].image
    assert name is not None
    was_there = subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode == 0
    subprocess.run(["docker", "load", "--quiet", "--input", str(store["task-image"].path)], check=True)
    yield name
    if not was_there:
        subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=True)


@pytest.fixture(scope="session")
def zookeeper(prerequisites: None, work: Path) -> Iterator[str]:
    """One server; yields host:port."""
    port = free_port()
    folder = work / "zookeeper"
    folder.mkdir()
    lines = ("tickTime=2000", f"dataDir={folder}", f"clientPort={port}", f"clientPortAddress={HOST}")
    (folder / "zoo.cfg").write_text("\n".join([*lines, "admin.enableServer=false", ""]))
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    command = ["java", "-Xmx128m", "-cp", ":".join(JARS), main, str(folder / "zoo.cfg")]
    server = Process(command, folder / "log")
    server.start()
    eventually(lambda: _listens(port), START_SECONDS, f"ZooKeeper does not listen:\n{server.tail()}")
    yield f"{HOST}:{port}"
    server.end(signal.SIGKILL)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@dataclass
class Cluster:
    """Three masters, an agent, and who may do what."""

    masters: list[Process]
    agent: Process
    work_dir: Path
    logins: dict[str, tuple[str, str]]
    docker_log: Path
    docker_label: str

    def framework(self, principal: str = "marathon") -> MesosFramework:
        return MesosFramework(",".join(master.address for master in self.masters), *self.logins[principal])

    def leader(self) -> Process | None:
        """The master that says it leads, if exactly one does."""
        leading = [m for m in self.masters if m.popen and m.popen.poll() is None and self._leads(m)]
        return leading[0] if len(leading) == 1 else None

    def _leads(self, master: Process) -> bool:
        try:
            answer = self.ask(master, "/metrics/snapshot")
        except OSError:
            return False
        return answer.status == 200 and answer.json().get("master/elected") == 1.0

    def agents(self) -> list[dict[str, Any]]:
        """The active agents, as the leader sees them."""
        leader = self.leader()
        if leader is None:
            return []
        answer = self.ask(leader, "/master/slaves")
        return [agent for agent in answer.json()["slaves"] if agent["active"]] if answer.status == 200 else []

    def wait_for_agent(self) -> dict[str, Any]:
        found = eventually(self.agents, START_SECONDS, f"no agent is registered:\n{self.agent.tail()}")
        assert isinstance(found[0], dict)
        return found[0]

    def ask(self, process: Process, path: str, login: tuple[str, str] | None = OPERATOR) -> Answer:
        """GET as the operator, as somebody else, or as nobody (None)."""
        return process.ask(path, self.logins["operator"] if login is OPERATOR else login)

    def subscribe(self, login: tuple[str, str], principal: str) -> Answer:
        """The refusal of a framework that is not what it says."""
        info = {"user": "root", "name": "refused", "principal": principal}
        body = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        leader = self.leader()
        assert leader is not None
        return request(leader.address, "/api/v1/scheduler", login, body)

    def containers(self, task: str) -> list[dict[str, Any]]:
        """What the agent says of the containers of a task."""
        return [c for c in self.ask(self.agent, "/containers").json() if c["executor_id"] == task]

    def sandbox(self, task: str) -> Path:
        return next(self.work_dir.glob(f"slaves/*/frameworks/*/executors/{task}/runs/latest")).resolve()

    def docker_runs(self) -> list[list[str]]:
        """The arguments of every `docker run` so far."""
        calls = [json.loads(line) for line in self.docker_log.read_text().splitlines()]
        return [call for call in calls if "run" in call[2:3]]


# Marks the containers of these tests, writes down the calls, and can lose its daemon: on SIGUSR1.
DOCKER_WRAPPER = """#!/usr/bin/python3
import json, os, signal, subprocess, sys
arguments = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps(arguments) + "\\n")
if "run" not in arguments[2:3]:
    os.execvp("docker", ["docker", *arguments])
client = subprocess.Popen(["docker", *arguments[:3], "--label", {label!r}, *arguments[3:]])
def lose_daemon(*_):
    os.kill(client.pid, signal.SIGKILL)
    os._exit(125)
signal.signal(signal.SIGUSR1, lose_daemon)
sys.exit(client.wait())
"""


@pytest.fixture(scope="session")
def cluster(installed: Installed, zookeeper: str, work: Path, image: str) -> Iterator[Cluster]:
    """Authentication is on everywhere. The agent has the isolation of a production agent."""
    logins = {name: (name, secrets.token_hex(16)) for name in ("agent", "marathon", "operator")}
    masters = _masters(installed, zookeeper, work, logins)
    label = f"utopia.test={secrets.token_hex(8)}"
    docker_log = work / "docker.log"
    docker_log.touch()
    (work / "docker").write_text(DOCKER_WRAPPER.format(log=str(docker_log), label=label))
    (work / "docker").chmod(0o755)
    cgroup = f"utopia-test-{os.getpid()}"
    agent = _agent(installed, zookeeper, work, logins, cgroup)
    made = Cluster(masters, agent, work / "agent", logins, docker_log, label)
    try:
        for process in (*masters, agent):
            process.start()
        made.wait_for_agent()
        yield made
    finally:
        _clean_up(made, cgroup)


def _file(path: Path, content: Any) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)
    return f"file://{path}"


def _credentials(logins: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {"credentials": [{"principal": principal, "secret": secret} for principal, secret in logins]}


def _masters(installed: Installed, zookeeper: str, work: Path, logins: dict[str, tuple[str, str]]) -> list[Process]:
    """Most settings come from the environment, as they do under systemd; the URL with a password from a file."""
    zk = _file(work / "zk", f"zk://mesos:{secrets.token_hex(8)}@{zookeeper}/mesos\n")
    credentials = _file(work / "credentials", _credentials(list(logins.values())))
    masters = []
    for number in (1, 2, 3):
        port = free_port()
        environment = {
            "MESOS_ZK": zk,
            "MESOS_QUORUM": "2",
            "MESOS_IP": HOST,
            "MESOS_HOSTNAME": HOST,
            "MESOS_PORT": str(port),
            "MESOS_WORK_DIR": str(work / f"master-{number}"),
            "MESOS_CLUSTER": "test",
            "MESOS_ZK_SESSION_TIMEOUT": "6secs",
            "MESOS_ALLOCATION_INTERVAL": "100ms",
            "MESOS_AGENT_REMOVAL_RATE_LIMIT": "1/10mins",
            "MESOS_CREDENTIALS": credentials,
            "MESOS_AUTHENTICATE_AGENTS": "true",
            "MESOS_AUTHENTICATE_FRAMEWORKS": "true",
            "MESOS_AUTHENTICATE_HTTP_FRAMEWORKS": "true",
            "MESOS_HTTP_FRAMEWORK_AUTHENTICATORS": "basic",
            "MESOS_AUTHENTICATE_HTTP_READONLY": "true",
            "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
        }
        masters.append(Process([installed.master], work / f"master-{number}.log", f"{HOST}:{port}", environment))
    return masters


def _agent(
    installed: Installed, zookeeper: str, work: Path, logins: dict[str, tuple[str, str]], cgroup: str
) -> Process:
    port = free_port()
    principal, secret = logins["agent"]
    environment = {
        "MESOS_MASTER": _file(work / "master", f"zk://{zookeeper}/mesos\n"),
        "MESOS_IP": HOST,
        "MESOS_HOSTNAME": HOST,
        "MESOS_PORT": str(port),
        "MESOS_WORK_DIR": str(work / "agent"),
        "MESOS_RUNTIME_DIR": str(work / "agent-run"),
        "MESOS_CONTAINERIZERS": "docker,mesos",
        "MESOS_DOCKER": str(work / "docker"),
        "MESOS_DOCKER_KILL_ORPHANS": "false",  # the engine is not the tests' own
        "MESOS_LAUNCHER": "linux",
        "MESOS_ISOLATION": "cgroups/cpu,cgroups/mem,disk/du,filesystem/linux,namespaces/pid",
        "MESOS_CGROUPS_ROOT": cgroup,
        "MESOS_CGROUPS_ENABLE_CFS": "true",
        "MESOS_RESOURCES": "cpus:2;mem:1024;disk:1024;ports:[31900-31999]",
        "MESOS_ATTRIBUTES": "rack:r1",
        "MESOS_CREDENTIAL": _file(work / "credential", {"principal": principal, "secret": secret}),
        "MESOS_HTTP_CREDENTIALS": _file(work / "http-credentials", _credentials([logins["operator"]])),
        "MESOS_AUTHENTICATE_HTTP_READONLY": "true",
        "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
        "MESOS_AUTHENTICATE_HTTP_EXECUTORS": "true",
        # With a newline, as Salt writes it: the library verifies with every byte of the file.
        "MESOS_JWT_SECRET_KEY": _file(work / "executor-key", secrets.token_hex(32) + "\n"),
        "MESOS_FETCHER_CACHE_DIR": str(work / "fetcher-cache"),
        "MESOS_ZK_SESSION_TIMEOUT": "6secs",
    }
    # Mounts that the agent makes for its isolation stay among it and its tasks.
    command = ["unshare", "--mount", "--propagation", "private", installed.agent]
    return Process(command, work / "agent.log", f"{HOST}:{port}", environment)


def _clean_up(cluster: Cluster, cgroup: str) -> None:
    """The agent goes first and takes its tasks with it (SIGUSR1); then it is checked that nothing is left."""
    if cluster.agent.popen is not None:
        cluster.agent.end(signal.SIGUSR1)
    for master in cluster.masters:
        if master.popen is not None:
            master.end(signal.SIGKILL)
    containers = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label={cluster.docker_label}"], capture_output=True, text=True, check=True
    ).stdout.split()
    if containers:
        subprocess.run(["docker", "rm", "--force", "--volumes", *containers], capture_output=True, check=True)
    for hierarchy in sorted({path.resolve() for path in Path("/sys/fs/cgroup").iterdir() if path.is_dir()}):
        for folder in sorted((hierarchy / cgroup).glob("**/"), reverse=True):
            eventually(lambda folder=folder: _removed(folder), 10, f"{folder} still has processes")
    eventually(lambda: not _left(cluster.work_dir.parent), 15, f"left running: {_left(cluster.work_dir.parent)}")


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _left(folder: Path) -> list[str]:
    """Processes, other than ZooKeeper, that run from the tests' folder or were started for it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(str(folder) in word for word in words) and "java" not in words[0]:
            found.append(f"{entry.name}: {' '.join(words)}")
    return found


@pytest.fixture(scope="session")
def framework(cluster: Cluster) -> Iterator[MesosFramework]:
    with cluster.framework() as framework:
        yield framework


@pytest.fixture(scope="module")
def make_process(work: Path) -> Iterator[Callable[..., Process]]:
    """Makes a master or agent on a free port of loopback: (program, name, **flags). Ended with the module."""
    made: list[Process] = []

    def make(program: str, name: str, **flags: str) -> Process:
        port = free_port()
        words = [f"--{flag}={value}" for flag, value in {"ip": HOST, "port": str(port), **flags}.items()]
        made.append(Process([program, *words], work / f"{name}.log", f"{HOST}:{port}"))
        return made[-1]

    yield make
    for process in reversed(made):
        if process.popen is not None:
            process.end(signal.SIGUSR1 if "agent" in process.command[0] else signal.SIGTERM)
