"""What is done at one time, so that others have their turn."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from unit.services.scheduler.deployments.small_world import World, settle_fast
from unit.services.scheduler.instances.recording import make_app

from services.scheduler.definitions import update
from services.scheduler.definitions.group import Group
from services.scheduler.deployments import actions


def play(body: Any) -> None:
    async def run() -> None:
        world = World()
        writer = asyncio.create_task(world.registry.run())
        try:
            async with asyncio.timeout(20):
                await body(world)
        finally:
            await world.manager.stop()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    asyncio.run(run())


def test_many_are_killed_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_fast(monkeypatch)
    monkeypatch.setattr(actions, "_KILLS_OF_A_LOOK", 3)

    async def body(world: World) -> None:
        portions: list[int] = []
        kill = world.kill

        def noted(instances: Any, **options: Any) -> None:
            some = list(instances)
            portions.append(len(some))
            kill(some, **options)

        monkeypatch.setattr(world, "kill", noted)
        app = make_app("/a", instances=10)
        await world.deploy(app)
        await world.deploy(update.scaled(app, 2, world.manager.next_version()))
        assert world.serving("/a") == 2
        await world.deploy(remove=("/a",))
        assert not world.registry.of("/a")
        assert portions == [3, 3, 2, 2]

    play(body)


def test_a_target_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_fast(monkeypatch)

    async def body(world: World) -> None:
        async def target(root: Group, version: str) -> Group:
            await asyncio.sleep(0.01)
            return root.with_app(replace(make_app("/a"), version=version), version=version)

        made = await asyncio.gather(world.manager.deploy(target), world.manager.deploy(target, force=True))
        assert made[0].version < made[1].version, "one after the other"
        assert world.root.apps()["/a"].version == made[1].version

    play(body)
