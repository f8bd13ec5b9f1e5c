"""Whatever happens, and in whatever order: once it is calm, what runs is what is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from unit.services.scheduler.deployments.small_world import settle_fast
from unit.services.scheduler.simulated_cluster import Cluster, app, scenario

from services.scheduler.definitions.app import App
from services.scheduler.deployments.manager import DeploymentRefused

AGENTS = 4
LEADERS = 3
TURNS = 20


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_fast(monkeypatch)


class Storm:
    """One thing after the other, as the dice say."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.dice = random.Random(seed)
        self.lost: list[str] = []
        cluster.sick.add("sick")
        cluster.broken.add("broken")
        often: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (3, self.create),
            (3, self.change),
            (2, self.scale),
            (1, self.remove),
            (2, self.cancel),
            (2, self.kill),
            (2, self.fail),
            (1, self.lose),
            (1, self.bring_back),
            (2, self.wait),
        ]
        self.events = [event for times, event in often for _ in range(times)]

    async def blow(self) -> None:
        for _ in range(TURNS):
            with contextlib.suppress(DeploymentRefused):
                await self.dice.choice(self.events)()
            await asyncio.sleep(self.dice.random() * 0.02)

    def any_app(self) -> App | None:
        apps = sorted(self.cluster.core.root.apps().values(), key=lambda each: each.id)
        return self.dice.choice(apps) if apps else None

    async def create(self) -> None:
        version = self.cluster.core.deployments.next_version()
        made = app(
            f"/group-{self.dice.randrange(2)}/app-{self.dice.randrange(4)}",
            cmd=self.dice.choice(["one", "one", "sick", "broken"]),
            instances=self.dice.randrange(5),
            over=(self.dice.random(), self.dice.random()),
            backoff_seconds=0.02,
            max_launch_delay_seconds=0.2,
        )
        if self.cluster.core.root.app(made.id) is None:
            made = replace(made, version=version, last_scaling_at=version, last_config_change_at=version)
            await self.cluster.deploy(made, wait=False)

    async def change(self) -> None:
        if old := self.any_app():
            command = self.dice.choice(["one", "two", "sick", "broken"])
            new = self.cluster.changed(old, cmd=command)
            await self.cluster.deploy(new, wait=False, force=self.dice.random() < 0.5)

    async def scale(self) -> None:
        if old := self.any_app():
            await self.cluster.deploy(self.cluster.scaled(old, self.dice.randrange(6)), wait=False)

    async def remove(self) -> None:
        if old := self.any_app():
            await self.cluster.deploy(remove=(old.id,), wait=False, force=self.dice.random() < 0.5)

    async def cancel(self) -> None:
        if under_way := self.cluster.core.deployments.all():
            await self.cluster.core.deployments.cancel(self.dice.choice(under_way).plan.id)

    async def kill(self) -> None:
        if instances := list(self.cluster.core.registry.all()):
            self.cluster.core.killer.kill([self.dice.choice(instances)], wipe=self.dice.random() < 0.3)

    async def fail(self) -> None:
        if tasks := list(self.cluster.mesos.tasks):
            self.cluster.mesos.end_task(self.dice.choice(tasks))

    async def lose(self) -> None:
        agent = f"a-{self.dice.randrange(AGENTS)}"
        if agent not in self.lost and len(self.lost) < AGENTS // 2:
            self.lost.append(agent)
            self.cluster.mesos.lose_agent(agent)

    async def bring_back(self) -> None:
        if self.lost:
            self.cluster.mesos.return_agent(self.lost.pop())

    async def wait(self) -> None:
        await asyncio.sleep(self.dice.random() * 0.2)

    async def calm(self) -> None:
        """Agents are back, nobody is sick any more; returns when all is as it is wanted."""
        self.cluster.sick.clear()
        self.cluster.broken.clear()
        while self.lost:
            await self.bring_back()

        def settled() -> bool:
            for task in self.cluster.mesos.tasks.values():
                if task.state == "TASK_RUNNING" and not task.healthy:
                    self.cluster.mesos.set_healthy(task.id, healthy=True)
            return self.cluster.is_as_wanted()

        # Of what was stored and not sent when a leader ended, the next one asks Mesos after some seconds only.
        await self.cluster.until(settled, "what is wanted", seconds=45)


@pytest.mark.parametrize("seed", range(4))
def test_after_the_storm(seed: int) -> None:
    async def play(cluster: Cluster) -> None:
        storm = Storm(cluster, seed)
        for _ in range(LEADERS - 1):
            async with cluster.leading():
                await storm.blow()
        async with cluster.leading() as leader:
            await storm.blow()
            await storm.calm()
            await leader.registry.flush()
            assert set(cluster.store.instances) == {instance.id for instance in leader.registry.all()}
            assert cluster.store.deployments == {}
            assert cluster.store.current == dict(leader.root.apps())

    scenario(play, agents=AGENTS)
