"""Containers by application: from Docker's API what it knows, from the Mesos agent whose they are, and the rest.

Totals are kept here by application, so that they go on growing when an instance ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from services.exporter import client
from services.exporter.client import SECONDS
from services.exporter.figures import Figures
from services.exporter.settings import Endpoint

_AT_ONCE = 16  # containers whose statistics are asked for at the same time
_FORGET = 240  # answers after which an application that is gone is forgotten
_MESOS_NAME = "mesos-"  # a container of a task is called so, and then by the id of its container


@dataclass(frozen=True, slots=True)
class Usage:
    """One container now. Counters are since its start; a limit of 0 is none."""

    app: str
    memory: float
    memory_limit: float
    counters: Mapping[str, float]  # cpu_seconds, periods, throttled_periods, throttled_seconds


@dataclass
class _App:
    totals: dict[str, float] = field(default_factory=dict)
    started: int = 0
    absent: int = 0


class Totals:
    """Sums by application over all its containers, the ended ones too."""

    def __init__(self) -> None:
        self._last: dict[str, Mapping[str, float]] | None = None
        self.apps: dict[str, _App] = {}

    def add(self, usages: Mapping[str, Usage]) -> None:
        """What has been used since the last time; `usages` by container id."""
        first, last = self._last is None, self._last or {}
        present = {usage.app for usage in usages.values()}
        for key, usage in usages.items():
            app = self.apps.setdefault(usage.app, _App())
            app.started += int(key not in last and not first)
            before = last.get(key, {})
            for name, value in usage.counters.items():
                app.totals[name] = app.totals.get(name, 0.0) + max(0.0, value - before.get(name, 0.0))
        for name, app in list(self.apps.items()):
            app.absent = 0 if name in present else app.absent + 1
            if app.absent > _FORGET:
                del self.apps[name]
        self._last = {key: usage.counters for key, usage in usages.items()}


async def collect(figures: Figures, totals: Totals, agent: Endpoint | None, socket: str) -> None:
    """Every container of every application on this node."""
    tasks = await client.get_json(agent, "/containers") if agent else []
    running = await _engine(figures, socket) if socket else {}
    usages = {task["container_id"]: _of_mesos(task) for task in tasks if "statistics" in task}
    apps = {task["container_id"]: app_of(task["executor_id"]) for task in tasks}
    for name, stats in running.items():
        if name in apps:
            usages[name] = of_docker(apps[name], stats)
    orphans = len(set(running) - set(apps)) if agent else 0
    figures.gauge("utopia_orphan_containers", "Containers of tasks that the Mesos agent does not know", orphans)
    totals.add(usages)
    _tell(figures, totals, usages.values())


def app_of(task: str) -> str:
    """`shop_cart.instance-0a1b._app.1` -> `/shop/cart`; a task of another framework keeps its own name."""
    name, mark, _ = task.partition(".instance-")
    return "/" + name.replace("_", "/") if mark else task


def of_docker(app: str, stats: Mapping[str, Any]) -> Usage:
    """From Docker's statistics; caches that the kernel can take back at any time are not counted as used."""
    memory, cpu = stats.get("memory_stats") or {}, stats.get("cpu_stats") or {}
    detail, throttled = memory.get("stats") or {}, cpu.get("throttling_data") or {}
    idle = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return Usage(
        app,
        max(0.0, memory.get("usage", 0) - idle),
        _limit(memory.get("limit", 0)),
        {
            "cpu_seconds": (cpu.get("cpu_usage") or {}).get("total_usage", 0) / 1e9,
            "periods": throttled.get("periods", 0),
            "throttled_periods": throttled.get("throttled_periods", 0),
            "throttled_seconds": throttled.get("throttled_time", 0) / 1e9,
        },
    )


def _of_mesos(task: Mapping[str, Any]) -> Usage:
    """From the agent's statistics: tasks that run without Docker."""
    found = task["statistics"]
    return Usage(
        app_of(task["executor_id"]),
        found.get("mem_rss_bytes", 0),
        _limit(found.get("mem_limit_bytes", 0)),
        {
            "cpu_seconds": found.get("cpus_user_time_secs", 0) + found.get("cpus_system_time_secs", 0),
            "periods": found.get("cpus_nr_periods", 0),
            "throttled_periods": found.get("cpus_nr_throttled", 0),
            "throttled_seconds": found.get("cpus_throttled_time_secs", 0),
        },
    )


def _limit(value: float) -> float:
    """The kernel writes "none" as nearly 2^63."""
    return 0.0 if value >= 1 << 60 else float(value)


async def _engine(figures: Figures, socket: str) -> dict[str, Any]:
    """Statistics by the id that Mesos gave the container. Raises OSError where no engine answers."""
    connector = aiohttp.UnixConnector(path=socket, limit=_AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=2 * SECONDS)
    async with aiohttp.ClientSession("http://docker", connector=connector, timeout=timeout) as session:

        async def ask(path: str) -> Any:
            async with session.get(path) as answer:
                return orjson.loads(await answer.read()) if answer.status == 200 else None

        found = await ask("/containers/json")
        figures.gauge("utopia_docker_containers", "Containers that run", len(found or []))
        names = {item["Names"][0].lstrip("/"): item["Id"] for item in found or []}
        ours = {name.removeprefix(_MESOS_NAME): key for name, key in names.items() if name.startswith(_MESOS_NAME)}
        answers = await asyncio.gather(
            *(ask(f"/containers/{key}/stats?stream=false&one-shot=true") for key in ours.values())
        )
    return {name: stats for name, stats in zip(ours, answers, strict=True) if stats}


_TOTALS = {
    "cpu_seconds": "Processor time used",
    "periods": "Scheduling periods in which it wanted to run",
    "throttled_periods": "Periods in which its processor limit stopped it",
    "throttled_seconds": "Time for which its processor limit stopped it",
}


def _tell(figures: Figures, totals: Totals, usages: Iterable[Usage]) -> None:
    for name, app in totals.apps.items():
        labels = {"app": name}
        for counter, text in _TOTALS.items():
            prefix = "" if counter.startswith("cpu") else "cpu_"
            figures.counter(f"utopia_app_{prefix}{counter}_total", text, app.totals.get(counter, 0.0), labels)
        figures.counter("utopia_app_started_total", "Containers that were started since ours", app.started, labels)
    by_app: dict[str, list[Usage]] = {}
    for usage in usages:
        by_app.setdefault(usage.app, []).append(usage)
    for name, own in by_app.items():
        labels = {"app": name}
        share = max((usage.memory / usage.memory_limit for usage in own if usage.memory_limit), default=0.0)
        figures.gauge("utopia_app_instances", "Containers that run", len(own), labels)
        figures.gauge("utopia_app_memory_bytes", "Memory in use", sum(usage.memory for usage in own), labels)
        limit = sum(usage.memory_limit for usage in own)
        figures.gauge("utopia_app_memory_limit_bytes", "Memory it may use", limit, labels)
        figures.gauge("utopia_app_memory_share", "Of its limit, of the fullest container", share, labels)
