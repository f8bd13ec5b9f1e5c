"""All parts of a leader on a simulated Mesos master: deploy, scale, upgrade, roll back, fail over."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web
from unit.services.scheduler.deployments.small_world import settle_fast
from unit.services.scheduler.simulated_cluster import Cluster, app, scenario

from services.scheduler.definitions.app import Constraint, PortDefinition, ReadinessCheck, UpgradeStrategy


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_fast(monkeypatch)


def test_deploy_scale_and_remove() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading() as leader:
            await cluster.deploy(one := app())
            assert cluster.serving("/team/web") == 4
            before = set(cluster.mesos.tasks)
            await cluster.deploy(ten := cluster.scaled(one, 10))
            assert cluster.serving("/team/web") == 10
            assert before < set(cluster.mesos.tasks)
            assert not cluster.mesos.of_type("KILL")
            await cluster.deploy(cluster.scaled(ten, 2))
            assert len(cluster.mesos.of_type("KILL")) == 8
            assert cluster.serving("/team/web") == len(leader.registry.all()) == 2
            await cluster.deploy(remove=("/team/web",))
            assert not leader.registry.all()
            assert not cluster.store.current
            assert cluster.told().count("deployment_success") == 4
            assert cluster.told().count("app_terminated_event") == 1

    scenario(play)


@pytest.mark.parametrize(
    ("over", "least", "most"),
    [((1.0, 1.0), 4, 8), ((0.5, 0.0), 2, 4), ((1.0, 0.0), 4, 5), ((0.75, 0.25), 3, 5), ((0.0, 0.0), 0, 4)],
)
def test_an_upgrade_keeps_its_bounds(over: tuple[float, float], least: int, most: int) -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading():
            await cluster.deploy(one := app(over=over))
            cluster.note()
            await cluster.deploy(two := cluster.changed(one, cmd="two"))
            assert cluster.versions("/team/web") == [two.version] * 4
            assert cluster.least >= least
            assert cluster.most <= most
            assert len(cluster.mesos.launched) == 8

    scenario(play)


def test_a_sick_version_waits_and_is_rolled_back() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading() as leader:
            cluster.sick.add("two")
            await cluster.deploy(one := app(over=(0.75, 0.25)))
            two = cluster.changed(one, cmd="two")
            deployment = await cluster.deploy(two, wait=False)
            await cluster.until(lambda: cluster.versions("/team/web").count(two.version) == 2, "two new ones")
            await asyncio.sleep(0.3)
            assert cluster.serving("/team/web") == 3
            served = {i.id for i in leader.registry.all() if i.version == one.version}
            back = await leader.deployments.cancel(deployment)
            assert back is not None
            await cluster.finished(back.id)
            assert served < {i.id for i in leader.registry.all()}
            assert cluster.serving("/team/web") == 4
            await cluster.until(lambda: cluster.versions("/team/web").count(two.version) == 0, "no new one is left")
            assert cluster.store.deployments == {}

    scenario(play)


def test_a_version_that_ends_at_once_is_delayed_and_replaced_by_a_good_one() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading() as leader:
            cluster.broken.add("two")
            await cluster.deploy(one := app(over=(1.0, 0.5)))
            two = cluster.changed(one, cmd="two", backoff_seconds=0.2, backoff_factor=2.0)
            first = await cluster.deploy(two, wait=False)
            await cluster.until(lambda: leader.queue.delay_until(two) > 0.3, "a growing delay")
            assert cluster.serving("/team/web") == 4
            assert len(cluster.mesos.launched) < 4 + 12
            three = cluster.changed(two, cmd="three")
            await cluster.deploy(three, force=True)
            assert leader.deployments.get(first) is None
            assert cluster.versions("/team/web") == [three.version] * 4
            failure = leader.failures.of("/team/web")
            assert failure is not None
            assert failure["version"] == two.version

    scenario(play)


def test_a_new_leader_finishes_an_upgrade() -> None:
    async def play(cluster: Cluster) -> None:
        cluster.sick.add("two")
        async with cluster.leading():
            await cluster.deploy(one := app(over=(0.5, 0.0)))
            two = cluster.changed(one, cmd="two")
            await cluster.deploy(two, wait=False)
            await cluster.until(lambda: cluster.versions("/team/web").count(two.version) == 2, "half of it")
            await cluster.until(lambda: len(cluster.store.instances) == 4, "stored")
            done = {i.id for i in cluster.core.registry.all() if i.version == two.version}
        assert len(cluster.store.deployments) == 1
        cluster.sick.clear()
        for task in list(cluster.mesos.tasks.values()):
            cluster.mesos.set_healthy(task.id, healthy=True)
        async with cluster.leading() as leader:
            (deployment,) = leader.deployments.all()
            await cluster.finished(deployment.plan.id)
            assert cluster.versions("/team/web") == [two.version] * 4
            assert done < {i.id for i in leader.registry.all()}
            assert set(cluster.mesos.launched.values()) == {1}
            assert len(cluster.mesos.launched) == 8
            assert cluster.store.deployments == {}

    scenario(play)


def test_a_new_leader_leaves_everything_alone() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading():
            await cluster.deploy(app(), app("/team/inner/db", instances=2))
            ids = {i.id for i in cluster.core.registry.all()}
        async with cluster.leading() as leader:
            await cluster.until(
                lambda: leader.engine.reconciler.rounds and not leader.engine.reconciler.unanswered, "r"
            )
            await asyncio.sleep(0.1)
            assert {i.id for i in leader.registry.all()} == ids
            assert not cluster.mesos.of_type("KILL")
            assert set(leader.root.apps()) == {"/team/web", "/team/inner/db"}
            assert leader.root.group.version == max(cluster.store.roots)

    scenario(play)


def test_an_agent_lost_during_an_upgrade() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading() as leader:
            await cluster.deploy(one := app(over=(0.5, 0.5), instances=6))
            two = cluster.changed(one, cmd="two")
            deployment = await cluster.deploy(two, wait=False)
            await cluster.until(lambda: two.version in cluster.versions("/team/web"), "it has begun")
            cluster.mesos.lose_agent("a-0")
            await cluster.finished(deployment)
            assert cluster.versions("/team/web") == [two.version] * 6
            assert all(i.agent_id != "a-0" for i in leader.registry.all())

    scenario(play)


def test_unique_hosts_are_no_obstacle() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading() as leader:
            unique = (Constraint("hostname", "UNIQUE"),)
            await cluster.deploy(one := app(instances=3, constraints=unique))
            await cluster.deploy(two := cluster.changed(one, cmd="two"))
            assert cluster.versions("/team/web") == [two.version] * 3
            assert len({instance.hostname for instance in leader.registry.all()}) == 3

    scenario(play)


def test_a_rollback_keeps_unique_hosts() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading() as leader:
            cluster.sick.add("two")
            unique = (Constraint("hostname", "UNIQUE"),)
            await cluster.deploy(one := app(instances=3, constraints=unique, over=(0.6, 0.0)))
            two = cluster.changed(one, cmd="two")
            deployment = await cluster.deploy(two, wait=False)
            await cluster.until(lambda: two.version in cluster.versions("/team/web"), "it has begun")
            back = await leader.deployments.cancel(deployment)
            assert back is not None
            await cluster.finished(back.id)
            assert len({instance.hostname for instance in leader.registry.all()}) == 3
            assert cluster.versions("/team/web") == [back.version] * 3

    scenario(play)


def test_fixed_ports_need_old_instances_to_go_first() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading() as leader:
            fixed: dict[str, Any] = {"port_definitions": (PortDefinition(port=31500),), "require_ports": True}
            await cluster.deploy(one := app(instances=3, **fixed))
            blocked = await cluster.deploy(cluster.changed(one, cmd="two"), wait=False)
            await asyncio.sleep(0.3)
            assert leader.deployments.get(blocked) is not None
            assert cluster.versions("/team/web") == [one.version] * 3
            three = cluster.changed(one, cmd="two", upgrade_strategy=UpgradeStrategy(0.5, 0.0))
            await cluster.deploy(three, force=True)
            assert cluster.versions("/team/web") == [three.version] * 3
            assert cluster.serving("/team/web") == 3

    scenario(play)


def test_scaled_to_nothing_in_the_middle_of_an_upgrade() -> None:
    async def play(cluster: Cluster) -> None:
        cluster.sick.add("two")
        async with cluster.leading() as leader:
            await cluster.deploy(one := app())
            two = cluster.changed(one, cmd="two")
            await cluster.deploy(two, wait=False)
            await cluster.until(lambda: cluster.versions("/team/web").count(two.version) == 4, "all new ones")
            await cluster.deploy(cluster.scaled(two, 0), force=True)
            assert not leader.registry.all()
            assert leader.queue.count("/team/web") == 0

    scenario(play)


def test_dependencies_are_up_first() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading():
            await cluster.deploy(
                app("/shop/web", instances=1, dependencies=("/shop/db",)),
                app("/shop/db", instances=1, cmd="db"),
            )
            started = [
                event.document["runSpecId"]
                for event in cluster.events
                if event.type == "instance_changed_event" and event.document["condition"] == "Provisioned"
            ]
            assert started == ["/shop/db", "/shop/web"]

    scenario(play)


def test_old_instances_stay_until_new_ones_are_ready() -> None:
    async def play(cluster: Cluster) -> None:
        answers = [503]

        async def ready(_: web.Request) -> web.Response:
            return web.Response(status=answers[0], text="not yet")

        application = web.Application()
        application.router.add_get("/ready", ready)
        runner = web.AppRunner(application)
        await runner.setup()
        with socket.socket() as free:
            free.bind(("127.0.0.2", 0))
            port = free.getsockname()[1]
        await web.TCPSite(runner, "127.0.0.2", port).start()
        cluster.mesos.agents["a-1"].ports = (port, port)
        check = ReadinessCheck(path="/ready", port_name="http", interval_seconds=0, preserve_last_response=True)
        async with cluster.leading() as leader:
            await cluster.deploy(one := app(instances=1))
            two = cluster.changed(
                one,
                cmd="two",
                readiness_checks=(check,),
                port_definitions=(PortDefinition(port=port, name="http"),),
                require_ports=True,
            )
            deployment = await cluster.deploy(two, wait=False)
            await cluster.until(lambda: cluster.serving("/team/web") == 2, "both run")
            await asyncio.sleep(0.1)
            assert len(cluster.versions("/team/web")) == 2
            running = leader.deployments.get(deployment)
            assert running is not None
            (result,) = running.document()["currentActions"][0]["readinessCheckResults"]
            assert result["ready"] is False
            assert result["lastResponse"] == {"status": 503, "contentType": "text/plain", "body": "not yet"}
            answers[0] = 200
            await cluster.finished(deployment)
            assert cluster.versions("/team/web") == [two.version]
        await runner.cleanup()

    scenario(play, agents=2)


def test_events_tell_the_whole_story() -> None:
    async def play(cluster: Cluster) -> None:
        async with cluster.leading():
            await cluster.until(lambda: cluster.store.framework_id, "subscribed")
            cluster.events.clear()
            await cluster.deploy(app(instances=1))
            told = [kind for kind in cluster.told() if kind.startswith(("deployment", "group"))]
            assert told == [
                "group_change_success",
                "deployment_info",
                "deployment_step_success",
                "deployment_info",
                "deployment_step_success",
                "deployment_success",
            ]

    scenario(play)
