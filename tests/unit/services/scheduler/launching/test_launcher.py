"""Offers are used where they fit, and given back where not, in time that depends on what is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from simulated_agent import SimulatedAgent
from unit.services.scheduler.instances.recording import MemoryStore, RecordingMesos, Told, make_app

from services.scheduler.definitions.app import App, Constraint
from services.scheduler.instances.instance import Condition
from services.scheduler.instances.registry import Registry
from services.scheduler.launching import launcher as module
from services.scheduler.launching.launcher import Launcher
from services.scheduler.launching.queue import LaunchQueue
from services.scheduler.mesos.client import MesosError


class Parts:
    def __init__(self, **settings: Any) -> None:
        self.mesos, self.store = RecordingMesos(), MemoryStore()
        self.registry = Registry(self.store, Told().bus)
        self.queue = LaunchQueue()
        self.launcher = Launcher(self.mesos, self.queue, self.registry, **settings)
        self.launcher.subscribed()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(part.run()) for part in (self.registry, self.launcher)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def answered(self, offers: int, seconds: float = 10) -> None:
        """Until each offer is used or given back."""
        async with asyncio.timeout(seconds):
            while len(self.used()) + len(self.declined()) < offers:
                await asyncio.sleep(0.001)

    def used(self) -> dict[str, list[str]]:
        """Offer -> tasks launched with it."""
        return {
            offers[0]: [
                info["task_id"]["value"] for operation in operations for info in operation["launch"]["task_infos"]
            ]
            for offers, operations in self.mesos.of("accept")
        }

    def declined(self) -> dict[str, float]:
        """Offer -> seconds."""
        return {offer: seconds for offers, seconds in self.mesos.of("decline") for offer in offers}


def offers(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [SimulatedAgent(f"a-{n}", **fields).offer_document(f"o-{n}", "f", "*") for n in range(count)]


def test_nothing_wanted() -> None:
    async def run() -> None:
        parts = Parts(decline_seconds=77)
        async with parts.running():
            parts.launcher.offer(offers(3))
            await parts.answered(3)
            assert parts.declined() == {"o-0": 77, "o-1": 77, "o-2": 77}
            assert parts.mesos.of("suppress") == [(["*"],)]
            assert (parts.launcher.launched, parts.launcher.declined) == (0, 3)

    asyncio.run(run())


def test_spread_before_packed() -> None:
    async def run() -> None:
        parts = Parts(max_instances_per_offer=2)
        async with parts.running():
            parts.queue.add(make_app(cpus=0.1, mem=1), 5)
            parts.launcher.offer(offers(2))
            await parts.answered(2)
            assert {offer: len(tasks) for offer, tasks in parts.used().items()} == {"o-0": 2, "o-1": 2}
            assert parts.queue.count("/web") == 1, "no more than two into one offer"
            assert set(parts.store.instances) == {instance.id for instance in parts.registry.all()}

    asyncio.run(run())


def test_applications_take_turns() -> None:
    async def run() -> None:
        parts = Parts()
        async with parts.running():
            for name in ("/a", "/b", "/c"):
                parts.queue.add(make_app(name, cpus=1, mem=1), 10)
            parts.launcher.offer(offers(1, cpus=3))
            await parts.answered(1)
            launched = Counter(instance.app_id for instance in parts.registry.all())
            assert launched == {"/a": 1, "/b": 1, "/c": 1}

    asyncio.run(run())


def test_what_does_not_fit_comes_back_soon_and_is_accounted_for() -> None:
    async def run() -> None:
        parts = Parts()
        async with parts.running():
            parts.queue.add(make_app(cpus=64))
            parts.launcher.offer(offers(2))
            await parts.answered(2)
            assert parts.declined() == {"o-0": 30, "o-1": 30}
            item = parts.queue.get("/web")
            assert item is not None
            document = json.loads(item.summary.document())
            assert document["processedOffersCount"] == document["unusedOffersCount"] == 2

    asyncio.run(run())


def test_constraints_see_what_was_placed_a_moment_ago() -> None:
    async def run() -> None:
        parts = Parts()
        async with parts.running():
            parts.queue.add(make_app(constraints=(Constraint("rack", "UNIQUE"),)), 5)
            racks = [SimulatedAgent(f"a-{n}", attributes={"rack": f"r-{n % 2}"}) for n in range(6)]
            parts.launcher.offer(agent.offer_document(f"o-{agent.hostname}", "f", "*") for agent in racks)
            await parts.answered(6)
            assert len(parts.registry) == 2
            for instance in list(parts.registry.all()):
                parts.registry.update(instance, condition=Condition.KILLED)
                parts.registry.forget(instance)
            parts.launcher.offer(agent.offer_document(f"p-{agent.hostname}", "f", "*") for agent in racks)
            await parts.answered(12)
            assert len(parts.registry) == 2, "room again"

    asyncio.run(run())


def test_killed_while_it_was_stored_is_not_sent() -> None:
    async def run() -> None:
        parts = Parts()
        gate = asyncio.Event()
        save = parts.store.save_instances

        async def slow(instances: Any) -> None:
            await gate.wait()
            await save(instances)

        parts.store.save_instances = slow  # type: ignore[method-assign]
        async with parts.running():
            parts.queue.add(make_app(cpus=0.1, mem=1), 2)
            parts.launcher.offer(offers(1))
            async with asyncio.timeout(5):
                while len(parts.registry) < 2:
                    await asyncio.sleep(0.001)
            first, second = parts.registry.all()
            parts.registry.update(first, condition=Condition.KILLING)
            gate.set()
            await parts.answered(1)
            assert parts.used() == {"o-0": [second.task_id]}
            assert parts.registry.get(first.id) is None

    asyncio.run(run())


@pytest.mark.parametrize(("refused", "left"), [(True, 0), (False, 1)])
def test_a_launch_that_fails(refused: bool, left: int) -> None:
    """What a master refused is given up; what may have arrived is left to reconciliation."""

    async def run() -> None:
        parts = Parts()

        async def accept(*_: Any, **__: Any) -> None:
            raise MesosError("ACCEPT: no", refused=refused)

        parts.mesos.accept = accept  # type: ignore[method-assign]
        async with parts.running():
            parts.queue.add(make_app())
            parts.launcher.offer(offers(1))
            async with asyncio.timeout(5):
                while parts.queue.count("/web") or len(parts.registry) != left:
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            assert len(parts.registry) == left

    asyncio.run(run())


def test_rescinded_and_void_offers_are_not_used() -> None:
    async def run() -> None:
        parts = Parts()
        parts.queue.add(make_app(), 3)
        parts.launcher.offer(offers(2))
        parts.launcher.rescind("o-0")
        async with parts.running():
            await parts.answered(1)
            assert set(parts.used()) == {"o-1"}
            parts.launcher.disconnected()
            parts.launcher.offer(offers(1))
            parts.launcher.disconnected()
            parts.launcher.subscribed()
            await asyncio.sleep(0.05)
            assert set(parts.used()) == {"o-1"}
            assert parts.declined() == {}

    asyncio.run(run())


def test_an_application_that_fails_waits_and_is_launched_then() -> None:
    async def run() -> None:
        parts = Parts()
        async with parts.running():
            web = make_app(backoff_seconds=0.2)
            parts.queue.failed(web)
            parts.queue.add(web)
            parts.launcher.offer(offers(1))
            await parts.answered(1)
            assert parts.used() == {}
            parts.mesos.calls.clear()
            async with asyncio.timeout(5):
                while not parts.mesos.of("revive"):
                    await asyncio.sleep(0.01)
            parts.launcher.offer(offers(1))
            await parts.answered(1)
            assert len(parts.registry) == 1

    asyncio.run(run())


def test_a_new_version_is_placed_while_the_old_one_waits() -> None:
    async def run() -> None:
        parts = Parts()
        async with parts.running():
            web = make_app(cpus=64)
            parts.queue.add(web)
            parts.launcher.offer(offers(1))
            await parts.answered(1)
            newer = dataclasses.replace(web, cpus=1, version="2026-02-01T00:00:00.000Z")
            parts.queue.set(newer, 1)
            parts.launcher.offer(offers(2)[1:])
            await parts.answered(2)
            (instance,) = parts.registry.all()
            assert instance.version == newer.version

    asyncio.run(run())


BROKEN = {"placing": ("matching", "match"), "making the task": ("task_info", "build")}


@pytest.mark.parametrize(("name", "function"), BROKEN.values(), ids=BROKEN)
def test_one_broken_application_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, function: str
) -> None:
    original = getattr(getattr(module, name), function)

    def broken(app: App, *arguments: Any, **named: Any) -> Any:
        if app.id == "/broken":
            raise RuntimeError("a mistake of ours")
        return original(app, *arguments, **named)

    monkeypatch.setattr(getattr(module, name), function, broken)

    async def run() -> None:
        parts = Parts()
        async with parts.running():
            bad = make_app("/broken")
            parts.queue.add(bad)
            parts.queue.add(make_app())
            parts.launcher.offer(offers(3))
            await parts.answered(3)
            assert [instance.app_id for instance in parts.registry.all()] == ["/web"]
            assert parts.launcher.launched == 1
            assert parts.queue.delay_until(bad) > 0
            assert "/broken cannot be" in caplog.text

    asyncio.run(run())


def test_an_offer_that_is_not_understood_is_declined(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        parts = Parts()
        async with parts.running():
            parts.queue.add(make_app())
            parts.launcher.offer([{"id": {"value": "o-x"}}, *offers(1)])
            await parts.answered(2)
            assert set(parts.used()) == {"o-0"}
            assert set(parts.declined()) == {"o-x"}
            assert "not understood" in caplog.text

    asyncio.run(run())


async def longest_turn(done: Callable[[], bool]) -> float:
    """Seconds of this process' work in one turn of the event loop, at most, until all is done."""
    gc.collect()
    gc.freeze()  # collections of the test program's own objects would be measured
    longest, last = 0.0, time.process_time()
    while not done():
        await asyncio.sleep(0)
        longest, last = max(longest, time.process_time() - last), time.process_time()
    gc.unfreeze()
    return longest


SCALES = {  # agents, applications, instances of each; matches tried at most
    "one large application": (5000, 1, 1000, 1100),
    "many small ones": (5000, 1000, 1, 1100),
    "nothing fits, and many wait": (2000, 1000, 0, 50_000),
}


@pytest.mark.parametrize(("agents", "apps", "count", "tries"), SCALES.values(), ids=SCALES)
def test_scale(monkeypatch: pytest.MonkeyPatch, agents: int, apps: int, count: int, tries: int) -> None:
    calls = 0
    match = module.matching.match

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return match(*arguments, **named)

    monkeypatch.setattr(module.matching, "match", counted)

    async def run() -> None:
        parts = Parts()
        async with parts.running():
            for number in range(apps):
                size = {"cpus": 0.1, "mem": 16} if count else {"cpus": 10_000}
                parts.queue.add(make_app(f"/a-{number}", **size), count or 1)
            parts.launcher.offer(offers(agents))
            async with asyncio.timeout(100):
                turn = await longest_turn(lambda: parts.launcher.declined == agents - len(parts.mesos.of("accept")))
            assert parts.launcher.launched == len(parts.registry) == apps * count
            assert calls <= tries
            assert turn < 0.1, "all others wait so long"

    asyncio.run(run())


def test_what_is_wanted_anew_while_offers_are_being_used_lifts_their_filters() -> None:
    async def run() -> None:
        parts = Parts(revive_interval=0.01)
        parts.queue.add(web := make_app(), 1)
        async with parts.running():
            async with asyncio.timeout(5):
                while not parts.mesos.of("revive"):
                    await asyncio.sleep(0.001)
            accept = parts.mesos.accept

            async def and_another(*args: Any, **options: Any) -> None:
                await accept(*args, **options)
                if len(parts.used()) == 1:
                    parts.queue.add(web, 1)  # as many as before, and not thought of when the offers were judged

            parts.mesos.accept = and_another  # type: ignore[method-assign]
            parts.launcher.offer(offers(3))
            await parts.answered(3)
            assert len(parts.used()) == 1
            async with asyncio.timeout(5):
                while len(parts.mesos.of("revive")) < 2:
                    await asyncio.sleep(0.001)

    asyncio.run(run())


def test_what_is_wanted_again_after_offers_were_declined_lifts_their_filters() -> None:
    async def run() -> None:
        parts = Parts(revive_interval=0.01)
        parts.queue.add(web := make_app(), 1)
        async with parts.running():
            async with asyncio.timeout(5):
                while not parts.mesos.of("revive"):
                    await asyncio.sleep(0.001)
            decline = parts.mesos.decline

            async def and_again(*args: Any, **options: Any) -> None:
                await decline(*args, **options)
                parts.queue.set(web, 1)

            parts.mesos.decline = and_again  # type: ignore[method-assign]
            parts.queue.purge("/web")
            parts.launcher.offer(offers(3))
            async with asyncio.timeout(5):
                while len(parts.mesos.of("revive")) < 2:
                    await asyncio.sleep(0.001)

    asyncio.run(run())


def test_a_delay_that_ends_while_mesos_is_being_told_is_not_missed() -> None:
    async def run() -> None:
        parts = Parts(revive_interval=0.01)
        web = make_app(backoff_seconds=0.2)
        parts.queue.failed(web)
        parts.queue.add(web, 1)
        suppress = parts.mesos.suppress

        async def slow(*args: Any) -> None:
            await asyncio.sleep(0.4)
            await suppress(*args)

        parts.mesos.suppress = slow  # type: ignore[method-assign]
        async with parts.running(), asyncio.timeout(5):
            while not parts.mesos.of("revive"):
                await asyncio.sleep(0.001)

    asyncio.run(run())
