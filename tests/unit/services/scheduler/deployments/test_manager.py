from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from unit.services.scheduler.deployments.small_world import MemoryStore, World, settle_fast

from services.scheduler import clock
from services.scheduler.definitions import update
from services.scheduler.definitions.app import App, HealthCheck, UpgradeStrategy
from services.scheduler.deployments import actions
from services.scheduler.deployments.manager import Locked, TooManyDeployments, UnknownDeployment
from services.scheduler.instances.instance import Condition
from services.scheduler.storage.writer import FencedError, StorageError


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_fast(monkeypatch)


def scenario(play: Callable[[World], Awaitable[None]], **options: Any) -> World:
    async def run() -> World:
        world = World(**options)
        writer = asyncio.create_task(world.registry.run())
        try:
            async with asyncio.timeout(20):
                await play(world)
        finally:
            await world.manager.stop()
            await world.readiness.close()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return world

    return asyncio.run(run())


def app(app_id: str = "/a", *, cmd: str = "one", **fields: Any) -> App:
    moment = clock.now()
    return App(
        id=app_id,
        version=moment,
        last_scaling_at=moment,
        last_config_change_at=moment,
        cmd=cmd,
        **{"instances": 2, "health_checks": (HealthCheck(port_index=0),), **fields},
    )


def later(world: World, old: App, **fields: Any) -> App:
    version = world.manager.next_version()
    if set(fields) == {"instances"}:
        return update.scaled(old, fields["instances"], version)
    return update.restarted(replace(old, **fields), version)


def test_a_new_application() -> None:
    async def play(world: World) -> None:
        await world.deploy(app())
        assert world.serving("/a") == 2
        assert world.store.deployments == {}
        assert world.manager.for_app("/a") == []
        assert world.told()[:2] == ["group_change_success", "deployment_info"]
        assert world.told()[-1] == "deployment_success"

    world = scenario(play)
    info = next(event.document for event in world.events if event.type == "deployment_info")
    assert info["currentStep"] == {"actions": [{"action": "StartApplication", "app": "/a"}]}
    assert set(info["plan"]) == {"id", "version", "steps"}


def test_scaling_restarts_nothing() -> None:
    async def play(world: World) -> None:
        await world.deploy(one := app())
        before = set(world.registry.of("/a"))
        await world.deploy(more := later(world, one, instances=5))
        assert before < set(world.registry.of("/a"))
        assert world.killed == []
        await world.deploy(later(world, more, instances=1))
        assert len(world.registry.of("/a")) == 1

    scenario(play)


def test_named_instances_go_first() -> None:
    async def play(world: World) -> None:
        await world.deploy(one := app(instances=4))
        chosen = sorted(world.registry.of("/a"))[1]
        await world.deploy(later(world, one, instances=3), first={"/a": [chosen]})
        assert world.killed == [chosen]

    scenario(play)


@pytest.mark.parametrize(
    ("minimum", "over", "least", "most"),
    [(1.0, 1.0, 4, 8), (0.5, 0.0, 2, 4), (0.75, 0.25, 3, 5), (1.0, 0.0, 4, 5)],
)
def test_an_upgrade_within_its_bounds(minimum: float, over: float, least: int, most: int) -> None:
    async def play(world: World) -> None:
        await world.deploy(one := app(instances=4, upgrade_strategy=UpgradeStrategy(minimum, over)))
        world.note()
        two = later(world, one, cmd="two")
        await world.deploy(two)
        assert world.versions("/a") == [two.version] * 4
        assert world.least >= least
        assert world.most <= most
        assert len(world.launched) == 4

    scenario(play)


def test_removal() -> None:
    async def play(world: World) -> None:
        await world.deploy(app())
        await world.deploy(remove=["/a"])
        assert len(world.registry) == 0
        assert world.root.app("/a") is None
        assert "app_terminated_event" in world.told()

    scenario(play)


def test_a_dead_instance_during_an_upgrade_is_launched_again() -> None:
    async def play(world: World) -> None:
        await world.deploy(one := app(instances=3, upgrade_strategy=UpgradeStrategy(1.0, 0.34)))
        two = later(world, one, cmd="two")
        await world.deploy(two, wait=False)
        await world.until(lambda: two.version in world.versions("/a"))
        for instance in list(world.registry.of("/a").values())[:2]:
            world.die(instance)
        await world.until(lambda: not world.manager.all())
        assert world.versions("/a") == [two.version] * 3

    scenario(play)


def test_a_sick_upgrade_waits_and_is_rolled_back_without_touching_what_serves() -> None:
    async def play(world: World) -> None:
        world.sick.add("two")
        await world.deploy(one := app(instances=3, upgrade_strategy=UpgradeStrategy(0.6, 0.34)))
        served = set(world.registry.of("/a"))
        two = later(world, one, cmd="two")
        deployment = await world.deploy(two, wait=False)
        await world.until(lambda: two.version in world.versions("/a"))
        await asyncio.sleep(0.1)
        assert world.manager.get(deployment)
        remaining = served & set(world.registry.of("/a"))
        assert len(remaining) == 2
        world.note()
        back = await world.manager.cancel(deployment)
        assert back is not None
        await world.manager.finished(back.id)
        assert remaining < set(world.registry.of("/a"))
        assert world.serving("/a") == 3
        restored = world.root.app("/a")
        assert restored is not None
        assert restored.cmd == "one"
        assert restored.version == back.version
        assert len(world.launched) == 1
        assert world.told().count("deployment_failed") == 1
        assert world.told()[-1] == "deployment_success"

    scenario(play)


def test_a_removed_application_comes_back() -> None:
    async def play(world: World) -> None:
        await world.deploy(app("/a"), app("/b"))
        kill, world.kill = world.kill, lambda instances, wipe=False: None  # type: ignore[method-assign]
        deployment = await world.deploy(remove=["/a"], wait=False)
        await asyncio.sleep(0.05)
        world.kill = kill  # type: ignore[method-assign]
        await world.deploy(later(world, world.root.group.all_apps()["/b"], instances=3))
        before = set(world.registry.of("/a"))
        back = await world.manager.cancel(deployment)
        assert back is not None
        await world.manager.finished(back.id)
        assert set(world.registry.of("/a")) == before
        b = world.root.app("/b")
        assert b is not None
        assert b.instances == 3

    scenario(play)


def test_forced_cancel_leaves_things_as_they_are() -> None:
    async def play(world: World) -> None:
        world.sick.add("two")
        await world.deploy(one := app(instances=3, upgrade_strategy=UpgradeStrategy(1.0, 0.34)))
        two = later(world, one, cmd="two")
        deployment = await world.deploy(two, wait=False)
        await world.until(lambda: two.version in world.versions("/a"))
        world.note()
        assert await world.manager.cancel(deployment, force=True) is None
        assert world.manager.all() == []
        assert world.store.deployments == {}
        await asyncio.sleep(0.05)
        assert world.killed == world.launched == []
        assert world.root.app("/a") == two
        assert [kind for kind in world.told() if "health" not in kind] == ["deployment_failed"]
        with pytest.raises(UnknownDeployment):
            await world.manager.cancel(deployment)

    scenario(play)


def test_locks() -> None:
    async def play(world: World) -> None:
        world.room = 1
        first = await world.deploy(one := app("/a"), wait=False)
        root = world.root.group
        with pytest.raises(Locked) as refused:
            await world.deploy(later(world, one, instances=1))
        assert refused.value.deployments == (first,)
        assert world.root.group is root
        assert "group_change_failed" in world.told()
        assert world.manager.for_app("/a") == [first]
        await world.deploy(app("/b", instances=0))
        await world.deploy(later(world, one, instances=1), force=True)
        assert world.manager.get(first) is None
        assert world.manager.all() == []

    scenario(play)


def test_too_many() -> None:
    async def play(world: World) -> None:
        world.room = 0
        await world.deploy(app("/a"), wait=False)
        with pytest.raises(TooManyDeployments):
            await world.deploy(app("/b"), wait=False)
        await world.deploy(app("/a", cmd="two"), wait=False, force=True)
        assert len(world.manager.all()) == 1

    scenario(play, maximum=1)


def test_a_store_that_fails_leaves_all_as_it_was() -> None:
    async def play(world: World) -> None:
        world.room = 0
        first = await world.deploy(one := app("/a"), wait=False)
        world.store.broken = True
        with pytest.raises(OSError, match="away"):
            await world.deploy(later(world, one, cmd="two"), force=True)
        assert world.root.app("/a") == one
        assert list(world.store.deployments) == [first]
        world.room = 10
        world.queue.add(one, 0)
        world._wake()
        await world.manager.finished(first)
        assert world.serving("/a") == 2

    scenario(play)


def test_two_at_the_same_time_both_hold() -> None:
    async def play(world: World) -> None:
        base = world.root.group
        await asyncio.gather(
            world.manager.deploy(base.with_app(app("/a"))), world.manager.deploy(base.with_app(app("/b")))
        )
        assert set(world.root.group.all_apps()) == {"/a", "/b"}

    scenario(play)


def test_nothing_to_do_succeeds_at_once() -> None:
    async def play(world: World) -> None:
        await world.manager.deploy(world.root.group)
        assert world.told() == ["group_change_success", "deployment_success"]
        assert world.manager.all() == []

    scenario(play)


def test_a_new_leader_goes_on_without_restarting_what_is_done() -> None:
    store = MemoryStore()
    kept: list[Any] = []
    versions: list[str] = []

    async def before(world: World) -> None:
        await world.deploy(one := app(instances=4, upgrade_strategy=UpgradeStrategy(0.5, 0.0)))
        world.sick.add("two")
        two = later(world, one, cmd="two")
        await world.deploy(two, wait=False)
        await world.until(lambda: [i.healthy for i in world.registry.all() if i.version == two.version] == [False] * 2)
        await world.manager.stop()
        world.registry.update(
            next(i for i in world.registry.of("/a").values() if i.version == two.version), healthy=True
        )
        kept.extend(world.registry.of("/a").values())
        versions.append(two.version)

    scenario(before, store=store)
    assert len(store.deployments) == 1
    documents = orjson.loads(orjson.dumps(list(store.deployments.values())))

    async def after(world: World) -> None:
        done = {instance.id for instance in kept if instance.healthy and instance.version == versions[0]}
        await world.manager.resume(documents)
        assert world.manager.is_locked("/a")
        for instance in list(world.registry.of("/a").values()):
            world.registry.update(instance, healthy=True)
        await world.until(lambda: not world.manager.all())
        assert world.versions("/a") == versions * 4
        assert len(world.launched) == 2
        assert not done & set(world.killed)
        assert world.store.deployments == {}

    scenario(after, store=store, instances=kept)


def test_a_stored_deployment_that_never_became_the_root_is_dropped() -> None:
    store = MemoryStore()

    async def before(world: World) -> None:
        world.room = 0
        await world.deploy(app(), wait=False)

    scenario(before, store=store)
    documents = list(store.deployments.values())
    store.current.clear()

    async def after(world: World) -> None:
        await world.manager.resume(documents)
        assert world.manager.all() == []
        assert store.deployments == {}

    scenario(after, store=store)


def test_the_document() -> None:
    async def play(world: World) -> None:
        world.room = 0
        deployment = world.manager.get(await world.deploy(app("/team/a"), wait=False))
        assert deployment is not None
        await world.until(lambda: deployment.step == 1)
        document = deployment.document()
        assert document == {
            "id": deployment.plan.id,
            "version": deployment.plan.version,
            "affectedApps": ["/team/a"],
            "affectedPods": [],
            "steps": [
                {"actions": [{"action": "StartApplication", "app": "/team/a"}]},
                {"actions": [{"action": "ScaleApplication", "app": "/team/a"}]},
            ],
            "currentActions": [{"action": "ScaleApplication", "app": "/team/a", "readinessCheckResults": []}],
            "currentStep": 2,
            "totalSteps": 2,
        }

    scenario(play)


def test_the_lost_are_forgotten_and_replaced() -> None:
    async def play(world: World) -> None:
        await world.deploy(one := app(instances=3, upgrade_strategy=UpgradeStrategy(0.0, 0.0)))
        away, gone, _ = world.registry.of("/a").values()
        world.registry.update(away, condition=Condition.UNREACHABLE)
        world.registry.update(gone, condition=Condition.UNREACHABLE_INACTIVE)
        two = later(world, one, cmd="two")
        await world.deploy(two)
        assert world.versions("/a") == [two.version] * 3

    scenario(play)


def test_an_action_that_raises_fails_its_deployment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    look = actions.look

    def broken(action: Any, plan: Any, parts: Any) -> bool:
        if action.app.id == "/a":
            raise RuntimeError("no such thing")
        return look(action, plan, parts)

    async def play(world: World) -> None:
        monkeypatch.setattr(actions, "look", broken)
        await world.deploy(app("/a"))
        assert [kind for kind in world.told() if kind.startswith("deployment")] == [
            "deployment_info",
            "deployment_step_failure",
            "deployment_failed",
        ]
        assert world.manager.for_app("/a") == []
        assert world.store.deployments == {}
        await world.deploy(app("/b"))
        assert world.serving("/b") == 2

    scenario(play)


def test_a_deployment_goes_on_when_its_progress_cannot_be_stored(caplog: pytest.LogCaptureFixture) -> None:
    class Store(MemoryStore):
        saved = 0

        async def save_deployment(self, deployment_id: str, document: Any) -> None:
            self.saved += 1
            if self.saved > 1:
                raise StorageError("away")
            await super().save_deployment(deployment_id, document)

        async def delete_deployment(self, deployment_id: str) -> None:
            raise StorageError("away")

    async def play(world: World) -> None:
        await world.deploy(app("/a"))
        assert world.serving("/a") == 2
        assert world.told()[-1] == "deployment_success"

    scenario(play, store=Store())
    assert "not stored: away" in caplog.text
    assert "still stored: away" in caplog.text


def test_a_client_that_goes_away_stops_nothing() -> None:
    async def play(world: World) -> None:
        request = asyncio.create_task(world.manager.deploy(world.root.group.with_app(app("/a"))))
        await asyncio.sleep(0)
        request.cancel()
        await world.until(lambda: world.serving("/a") == 2)
        assert world.root.app("/a") is not None

    scenario(play)


def test_an_application_that_is_unlocked_is_told_of() -> None:
    unlocked: list[str] = []

    async def play(world: World) -> None:
        world.manager._unlocked = unlocked.append
        await world.deploy(app("/a"))
        assert unlocked == ["/a"]

    scenario(play)


def test_after_the_leadership_nothing_begins() -> None:
    async def play(world: World) -> None:
        world.room = 0
        await world.deploy(app("/a"), wait=False)
        late = asyncio.create_task(world.manager.deploy(world.root.group.with_app(app("/b"))))
        await asyncio.sleep(0)  # it is being stored
        await world.manager.stop()
        await asyncio.gather(late, return_exceptions=True)
        assert world.manager.all() == []
        with pytest.raises(FencedError):
            await world.deploy(app("/c"))
        with pytest.raises(FencedError):
            await world.manager.cancel("any")
        assert len(world.store.deployments) >= 1

    scenario(play)


def test_many_applications_do_not_hold_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    look = actions.look
    looks, most = [0], [0]

    def slow(action: Any, plan: Any, parts: Any) -> bool:
        time.sleep(0.002)
        looks[0] += 1
        return look(action, plan, parts)

    async def turns() -> None:
        while True:
            looks[0] = 0
            await asyncio.sleep(0)
            most[0] = max(most[0], looks[0])

    async def play(world: World) -> None:
        monkeypatch.setattr(actions, "look", slow)
        other = asyncio.create_task(turns())
        await world.deploy(*(app(f"/a{number}", instances=0) for number in range(60)))
        other.cancel()
        assert 1 <= most[0] <= 5

    scenario(play)
