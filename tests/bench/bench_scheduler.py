"""utopia-scheduler under load: 5,000 agents, 10,000 tasks, 1,000 applications; simulated Mesos, real ZooKeeper.

    python tests/bench/bench_scheduler.py [--agents N] [--apps N] [--tasks N] [--launch N] [--rounds N] [--profile FILE]

The scheduler is a process of its own and so is the Mesos master (tests/mesos_simulator.py); a client asks the API
all the time, as routers and people would. Prints figures and ratios of one session, since absolute times of shared
machines say little: how long the steps take, the API's p50 and p99 in each, memory over rounds of launches.

`floor` is the p99 of a server that does nothing, asked at the same moments from the same client: what the machine
and the client make of it. `largest` is the slowest answer in ms to one of the whole lists (applications with tasks,
tasks, groups, queue).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mesos_simulator import MesosSimulator, runs
from simulated_agent import SimulatedAgent

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
JARS = ("/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar")
AIM_MS = 200  # p99 of the API, whatever goes on
ASKS_PER_SECOND = 50
QUICK = ("/ping", "/v2/info", "/v2/deployments", "/v2/apps//bench/a-{n}", "/v2/apps//bench/a-{n}/tasks")
WHOLE = (
    "/v2/apps?embed=apps.tasks",
    "/v2/tasks",
    "/v2/groups",
    "/v2/queue",
)  # the large answers, asked every other second
REST = "nothing happens"
FLOOR = "floor"
SPARE = "/bench/spare"  # the application that is launched and removed
PAGE_KB = os.sysconf("SC_PAGESIZE") / 1024


@dataclass(frozen=True)
class Size:
    """What is simulated."""

    agents: int
    apps: int
    tasks: int
    launch: int
    rounds: int


# The simulated master, in a process of its own


def agent(number: int) -> SimulatedAgent:
    """Like the agents of a grown cluster: racks, zones, a few with more memory or reserved parts."""
    attributes = {"rack": f"r{number % 40}", "os": "debian12", "disk": "ssd" if number % 3 else "hdd"}
    reserved = {"batch": {"cpus": 2.0, "mem": 4096.0}} if number % 10 == 0 else {}
    return SimulatedAgent(
        f"agent-{number:05d}.bench",
        cpus=16 if number % 4 else 32,
        mem=65536,
        attributes=attributes,
        region="bench",
        zone=f"z{number % 3}",
        reserved=reserved,
    )


def simulate(agents: int, pipe: Connection) -> None:
    """Runs until the pipe is closed; answers questions about tasks and calls, and breaks the connection if told."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        cluster = map(agent, range(agents))
        async with MesosSimulator(cluster, behaviour=runs(0.2, 0.1), allocation_interval=0.5) as mesos:
            pipe.send(mesos.address)
            while (order := await loop.run_in_executor(None, receive, pipe)) is not None:
                if order == "disconnect":
                    mesos.disconnect()
                running = sum(task.state == "TASK_RUNNING" and not task.updates for task in mesos.tasks.values())
                twice = sum(times > 1 for times in mesos.launched.values())
                answer = {"running": running, "tasks": len(mesos.tasks), "calls": dict(mesos.call_counts)}
                mesos.calls.clear()
                pipe.send(answer | {"sent": mesos.outstanding == 0, "twice": twice})

    asyncio.run(main())


def nothing(pipe: Connection) -> None:
    """A server that answers everything at once, until the pipe is closed."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="pong")

    async def main() -> None:
        application = web.Application()
        application.router.add_get("/ping", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        pipe.send("http://{}:{}".format(*runner.addresses[0][:2]))
        await asyncio.get_running_loop().run_in_executor(None, receive, pipe)
        await runner.cleanup()

    asyncio.run(main())


def receive(pipe: Connection) -> str | None:
    """The next order, None when there will be no more."""
    try:
        return str(pipe.recv())
    except EOFError:
        return None


# Processes


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def zookeeper(folder: Path) -> Iterator[str]:
    """A server on loopback; its address."""
    port = free_port()
    lines = ("tickTime=2000", f"dataDir={folder}", f"clientPort={port}", f"clientPortAddress={HOST}")
    (folder / "zoo.cfg").write_text("\n".join([*lines, "admin.enableServer=false", ""]))
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    command = ["java", "-Xmx512m", "-cp", ":".join(JARS), main, str(folder / "zoo.cfg")]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until(lambda: listens(port), 30, "ZooKeeper does not listen")
            yield f"{HOST}:{port}"
        finally:
            process.kill()


@contextlib.contextmanager
def process(target: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """A Python process of its own, with a pipe to it; it ends when the pipe is closed."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=target, args=(*arguments, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        child.join(10)
        if child.is_alive():
            child.kill()


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"after {seconds:g} s: {what}")
        time.sleep(0.05)


class Scheduler:
    """The scheduler's process."""

    def __init__(self, folder: Path, zk: str, master: str, profile: str | None) -> None:
        self.url = f"http://{HOST}:{(port := free_port())}"
        self._config = folder / "config.json"
        settings: dict[str, Any] = {
            "master": master,
            "zk": f"zk://{zk}/marathon",
            "hostname": HOST,
            "http_address": HOST,
        }
        settings |= {"http_port": port, "logging_level": "warn", "kill_drain_seconds": 0}
        self._config.write_text(json.dumps(settings))
        self._log = folder / "scheduler.log"
        self._profile = profile
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        profiled = ["-m", "cProfile", "-o", self._profile] if self._profile else []
        command = [sys.executable, *profiled, "-m", "services.scheduler", "--config", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(60)

    def check(self) -> None:
        if self._process is None or self._process.poll() is not None:
            raise SystemExit(f"the scheduler ended:\n{self.tail()}")

    def tail(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    @property
    def memory_mb(self) -> float:
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * PAGE_KB / 1024

    @property
    def cpu_seconds(self) -> float:
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Measuring


@dataclass
class Latencies:
    """Seconds of each answer, by kind; errors are counted."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: int = 0

    def of(self, paths: tuple[str, ...]) -> list[float]:
        """Milliseconds of all answers to some paths."""
        return [value * 1e3 for path in paths for value in self.seconds[path]]


def percentile(values: list[float], percent: int) -> float:
    """The value below which so many percent of the values are; 0 if there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else 0.0


@dataclass(frozen=True)
class Step:
    """What one step took."""

    name: str
    seconds: float
    cpu_seconds: float
    latencies: Latencies


class Bench:
    """Steps against one scheduler, each with a client that asks all the time."""

    def __init__(
        self, size: Size, scheduler: Scheduler, pipe: Connection, floor: str, session: aiohttp.ClientSession
    ) -> None:
        self.size = size
        self._floor = floor
        self.scheduler = scheduler
        self.steps: list[Step] = []
        self.memory: list[float] = []
        self._pipe = pipe
        self._session = session

    async def step(self, name: str, work: Callable[[], Awaitable[None]], *, ask: bool = True) -> None:
        latencies = Latencies()
        asking = (
            [asyncio.create_task(self._ask(latencies)), asyncio.create_task(self._ask_whole(latencies))] if ask else []
        )
        began, cpu = time.monotonic(), self.scheduler.cpu_seconds
        await work()
        step = Step(name, time.monotonic() - began, self.scheduler.cpu_seconds - cpu, latencies)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        self.steps.append(step)
        quick = latencies.of(QUICK)
        p50, p99, whole = percentile(quick, 50), percentile(quick, 99), max(latencies.of(WHOLE), default=0.0)
        floor = percentile(latencies.of((FLOOR,)), 99)
        print(
            f"{name:34}{step.seconds:9.2f}{step.cpu_seconds:9.2f}{p50:9.1f}{p99:9.1f}{floor:9.1f}{whole:9.0f}"
            f"{self.scheduler.memory_mb:9.0f}{latencies.errors:9}",
            flush=True,
        )

    async def _ask(self, latencies: Latencies) -> None:
        """At a fixed rate, whatever the answers take: a slow answer does not hide the ones behind it."""
        running: set[asyncio.Task[None]] = set()
        loop, number = asyncio.get_running_loop(), 0
        due = loop.time()
        try:
            while True:
                path = QUICK[number % len(QUICK)]
                for url, kind in ((self.scheduler.url + path, path), (f"{self._floor}/ping", FLOOR)):
                    task = asyncio.create_task(self._one(url, kind, latencies, number))
                    running.add(task)
                    task.add_done_callback(running.discard)
                number += 1
                due += 1 / ASKS_PER_SECOND
                await asyncio.sleep(max(0.0, due - loop.time()))
        finally:
            await asyncio.gather(*running)

    async def _ask_whole(self, latencies: Latencies) -> None:
        while True:
            for path in WHOLE:
                await self._one(self.scheduler.url + path, path, latencies, 0)
                await asyncio.sleep(2)

    async def _one(self, url: str, kind: str, latencies: Latencies, number: int) -> None:
        began = time.monotonic()
        try:
            async with self._session.get(url.format(n=number * 7 % self.size.apps)) as response:
                await response.read()
                latencies.errors += response.status >= 500  # before the deployment they are not found
        except (aiohttp.ClientError, TimeoutError):
            latencies.errors += 1
        latencies.seconds[kind].append(time.monotonic() - began)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        async with self._session.request(method, self.scheduler.url + path, json=body) as response:
            text = await response.text()
            if response.status not in (200, 201):
                raise SystemExit(f"{method} {path}: {response.status} {text[:2000]}")
            return json.loads(text) if text.startswith(("{", "[")) else text

    def mesos(self, order: str = "look") -> dict[str, Any]:
        """Tell the simulated master something; what it has."""
        self._pipe.send(order)
        return dict(self._pipe.recv())

    async def settled(self, tasks: int, seconds: float = 600) -> None:
        """All tasks run, all updates are acknowledged, and no deployment is under way."""
        deadline = time.monotonic() + seconds
        while True:
            self.scheduler.check()
            there = await asyncio.to_thread(self.mesos)
            if there["running"] == there["tasks"] == tasks and not await self.call("GET", "/v2/deployments"):
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"after {seconds:g} s {there} instead of {tasks}:\n{self.scheduler.tail()}")
            await asyncio.sleep(0.1)

    async def elected(self) -> None:
        """The API answers, and says that there is a leader."""
        deadline = time.monotonic() + 120
        while True:
            self.scheduler.check()
            with contextlib.suppress(aiohttp.ClientError):
                async with self._session.get(self.scheduler.url + "/v2/info") as response:
                    if response.status == 200 and (await response.json()).get("elected"):
                        return
            if time.monotonic() > deadline:
                raise SystemExit(f"no leader after 120 s:\n{self.scheduler.tail()}")
            await asyncio.sleep(0.02)

    # The steps

    async def fill(self) -> None:
        """All applications in one deployment."""
        each, more = divmod(self.size.tasks, self.size.apps)
        apps = [application(f"/bench/a-{n}", each + (n < more)) for n in range(self.size.apps)]
        await self.call("PUT", "/v2/apps", [*apps, application(SPARE, 0)])
        await self.settled(self.size.tasks)

    async def scale(self, instances: int) -> None:
        await self.call("PUT", f"/v2/apps/{SPARE}", {"instances": instances})
        await self.settled(self.size.tasks + instances)

    async def reconcile(self) -> None:
        """The connection breaks: subscribe again and hear of every task, until the last is handled."""
        before = self.mesos()["calls"].get("RECONCILE", 0)
        self.mesos("disconnect")
        deadline = time.monotonic() + 120
        while (there := await asyncio.to_thread(self.mesos))["calls"].get("RECONCILE", 0) == before or not there[
            "sent"
        ]:
            if time.monotonic() > deadline:
                raise SystemExit(f"no reconciliation: {there}\n{self.scheduler.tail()}")
            await asyncio.sleep(0.02)
        await self.call("GET", "/v2/info")
        await self.settled(self.size.tasks)

    async def failover(self) -> None:
        """The process dies; the next one reads everything from ZooKeeper and takes over."""
        await asyncio.to_thread(self.scheduler.end, signal.SIGKILL)
        self.scheduler.start()
        await self.elected()

    async def idle(self) -> None:
        await asyncio.sleep(10)

    async def run(self) -> None:
        size = self.size
        print(
            f"{size.agents} agents, {size.apps} applications, {size.tasks} tasks; API at {ASKS_PER_SECOND} requests/s"
        )
        columns = ("seconds", "CPU s", "p50 ms", "p99 ms", "floor", "largest", "RSS MB", "errors")
        print(" " * 34 + "".join(f"{column:>9}" for column in columns))
        await self.elected()
        await self.step(f"launch {size.tasks} tasks, one deployment", self.fill)
        await self.step(REST, self.idle)
        await self.step("full reconcile", self.reconcile)
        for number in range(size.rounds):
            await self.step(f"launch {size.launch}, round {number + 1}", lambda: self.scale(size.launch))
            await self.step(f"kill {size.launch}, round {number + 1}", lambda: self.scale(0))
            self.memory.append(self.scheduler.memory_mb)
        self.ratios()
        if (twice := self.mesos()["twice"]) > 0:
            raise SystemExit(f"{twice} tasks were launched twice")

    def ratios(self) -> None:
        launches = [step for step in self.steps if step.name.startswith(f"launch {self.size.launch}, ")]
        busy, floor = (
            percentile([v for step in launches for v in step.latencies.of(p)], 99) for p in (QUICK, (FLOOR,))
        )
        launched = len(launches) * self.size.launch
        seconds, cpu = (sum(values) for values in zip(*((s.seconds, s.cpu_seconds) for s in launches), strict=True))
        print(
            f"p99 while {self.size.launch} are launched: {busy:.0f} ms (aim {AIM_MS}), {busy / floor:.1f}x the floor's"
        )
        print(f"launches: {launched / seconds:.0f}/s, {cpu / launched * 1e3:.2f} ms CPU each")
        if len(self.memory) > 1:
            print(f"memory, last round / first: {self.memory[-1] / self.memory[0]:.3f}x")


def application(app_id: str, instances: int) -> dict[str, Any]:
    """A Docker application as teams write them."""
    return {
        "id": app_id,
        "instances": instances,
        "cpus": 0.1,
        "mem": 64,
        "container": {
            "type": "DOCKER",
            "docker": {"image": "registry.bench/web:1"},
            "portMappings": [{"containerPort": 8080, "hostPort": 0, "name": "http"}],
        },
        "networks": [{"mode": "container/bridge"}],
        "env": {"MODE": "bench", "LEVEL": "info"},
        "labels": {"HAPROXY_GROUP": "external", "team": "bench"},
        "healthChecks": [{"protocol": "MESOS_HTTP", "path": "/health", "portIndex": 0, "gracePeriodSeconds": 30}],
        "constraints": [["hostname", "MAX_PER", "20"], ["os", "LIKE", "debian.*"]],
    }


async def measure(size: Size, scheduler: Scheduler, pipe: Connection, floor: str) -> None:
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        bench = Bench(size, scheduler, pipe, floor, session)
        await bench.run()
        if not scheduler._profile:
            began = time.monotonic()
            await bench.failover()
            ready = time.monotonic() - began
            await bench.settled(size.tasks)
            print(f"killed and started again: leads after {ready:.1f} s, RSS {scheduler.memory_mb:.0f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("agents", 5000), ("apps", 1000), ("tasks", 10_000), ("launch", 1000), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--profile", help="write a cProfile of the scheduler here")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended
    size = Size(given.agents, given.apps, given.tasks, given.launch, given.rounds)
    with tempfile.TemporaryDirectory() as name, zookeeper(Path(name)) as zk, contextlib.ExitStack() as stack:
        pipe = stack.enter_context(process(simulate, size.agents))
        floor = stack.enter_context(process(nothing))
        scheduler = Scheduler(Path(name), zk, pipe.recv(), given.profile)
        try:
            scheduler.start()
            asyncio.run(measure(size, scheduler, pipe, floor.recv()))
        finally:
            scheduler.end()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
