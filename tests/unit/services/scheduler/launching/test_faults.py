"""Whatever fails, in whatever order: in the end exactly what is wanted runs, known to everyone."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from mesos_simulator import TERMINAL
from simulated_agent import SimulatedAgent

from services.scheduler.definitions.app import App, UnreachableStrategy
from services.scheduler.instances.instance import Condition

AGENTS, APPS, FAULTS = 12, 6, 40
STRATEGIES = (UnreachableStrategy(0, 0), UnreachableStrategy(1, 60), None)


class Faults:
    """One random fault at a time; `apply` says which."""

    def __init__(self, world: Any, chance: random.Random, app: Callable[..., App]) -> None:
        self.world, self.chance, self.make = world, chance, app
        self.wanted: Counter[str] = Counter()
        self.lost: set[str] = set()

    def scale(self) -> str:
        number = self.chance.randrange(APPS)
        self.wanted[f"/a-{number}"] = count = self.chance.randrange(6)
        strategy = STRATEGIES[number % len(STRATEGIES)]
        self.world.want(self.make(f"/a-{number}", instances=count, backoff_seconds=0.02, unreachable_strategy=strategy))
        return f"a-{number} has {count} instances"

    def end_a_task(self) -> str:
        alive = [task for task in self.world.mesos.tasks.values() if task.state not in TERMINAL]
        if not alive:
            return "no task to end"
        task = self.chance.choice(alive)
        state = self.chance.choice(["TASK_FAILED", "TASK_FINISHED", "TASK_KILLED"])
        self.world.mesos.update(task, state, message="fault")
        return f"{task.id}: {state}"

    def lose_an_agent(self) -> str:
        reachable = [agent.id for agent in self.world.mesos.agents.values() if agent.reachable]
        if len(reachable) < AGENTS // 2:
            return "enough agents are lost"
        agent = self.chance.choice(reachable)
        self.lost.add(agent)
        self.world.mesos.lose_agent(agent)
        return f"{agent} is lost"

    def bring_an_agent_back(self) -> str:
        if not self.lost:
            return "no agent is lost"
        agent = self.chance.choice(sorted(self.lost))
        self.lost.discard(agent)
        self.world.mesos.return_agent(agent)
        return f"{agent} is back"

    def break_the_connection(self) -> str:
        self.world.mesos.disconnect()
        return "the connection breaks"

    def apply(self) -> str:
        kinds = [self.scale, self.end_a_task, self.lose_an_agent, self.bring_an_agent_back, self.break_the_connection]
        return self.chance.choices(kinds, weights=[6, 4, 2, 2, 1])[0]()


def settled(world: Any, wanted: Counter[str]) -> bool:
    """What runs on agents in reach, what the registry knows and what the store keeps are the same, and as wanted."""
    known = {instance.task_id: instance for instance in world.engine.registry.all()}
    tasks = {task.id for task in world.mesos.tasks.values() if task.state not in TERMINAL}
    running = Counter(i.app_id for i in known.values() if i.condition is Condition.RUNNING)
    stored = {i.task_id: i.condition for i in world.store.instances.values()}
    return (
        running == +wanted
        and set(known) == tasks
        and stored == {task_id: instance.condition for task_id, instance in known.items()}
        and not any(task.updates for task in world.mesos.tasks.values() if task.id in tasks)
    )


@pytest.mark.parametrize("seed", range(4))
def test_everything_is_as_wanted_in_the_end(
    world: Any, app: Callable[..., App], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("services.scheduler.instances.reconcile._FIRST_WAIT", 0.1)
    chance = random.Random(seed)
    log: list[str] = []

    async def run() -> None:
        agents = [SimulatedAgent(f"n-{number}") for number in range(AGENTS)]
        async with world(agents, retry_seconds=0.4, kill_seconds=0.02) as w:

            async def slow() -> None:
                await asyncio.sleep(chance.random() * 0.01)

            w.store.delay = slow
            faults = Faults(w, chance, app)
            left = FAULTS
            while left > 0:  # each time another leader, which ends in the middle of its work
                async with w.leading():
                    log.append("a new leader")
                    for _ in range(chance.randrange(5, 15)):
                        log.append(faults.apply())
                        left -= 1
                        await asyncio.sleep(chance.random() * 0.05)
            async with w.leading():
                while faults.lost:
                    log.append(faults.bring_an_agent_back())
                await w.until(lambda: settled(w, faults.wanted), "not settled: " + "; ".join(log), 20)
                await asyncio.sleep(0.1)
                assert settled(w, faults.wanted), "it does not stay settled"
            assert set(w.mesos.launched.values()) <= {1}, "a task was launched twice"

    asyncio.run(run())


def test_a_leader_that_changes_all_the_time_ends_no_task(world: Any, app: Callable[..., App]) -> None:
    async def run() -> None:
        async with world([SimulatedAgent(f"n-{number}") for number in range(4)]) as w:
            async with w.leading():
                w.want(app(instances=12))
                await w.until(lambda: settled(w, Counter({"/web": 12})), "twelve run")
                tasks = set(w.mesos.tasks)
            for number in range(12):
                async with w.leading():
                    await asyncio.sleep(0.01 * number)  # in any phase of taking over
            async with w.leading():
                await w.until(lambda: settled(w, Counter({"/web": 12})), "twelve run")
                assert set(w.mesos.tasks) == tasks
                assert w.mesos.call_counts["KILL"] == 0
                assert len(w.mesos.launched) == 12

    asyncio.run(run())
