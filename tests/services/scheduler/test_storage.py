"""The store and the election against a real ZooKeeper: what is written is there, in time, and by the leader only."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.scheduler.definitions.app import App, Container
from services.scheduler.instances.instance import Condition, Instance, new_id
from services.scheduler.storage.connection import AccessError, ConnectError, Connection, SessionLostError
from services.scheduler.storage.election import Election
from services.scheduler.storage.writer import FencedError, StorageError, TooLargeError
from services.scheduler.storage.zookeeper import FrameworkIdMissingError, Store


class Member:
    """A scheduler as ZooKeeper sees it."""

    def __init__(self, server: Any, tree: str, address: str, **options: Any) -> None:
        self.connection = Connection(
            server.address, session_timeout=options.pop("session", 6.0), login=options.pop("login", None)
        )
        self.election = Election(self.connection, f"{tree}/leader", address)
        self.store = Store(self.connection, tree, fence=lambda: self.election.fence, **options)


@asynccontextmanager
async def member(server: Any, tree: str, address: str = "a:1", **options: Any) -> AsyncIterator[Member]:
    made = Member(server, tree, address, **options)
    await made.connection.start()
    try:
        await made.election.start()
        await until(lambda: made.election.leader)
        yield made
    finally:
        await made.connection.stop()


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def app(app_id: str = "/team/app", version: str = "2026-01-01T00:00:00.000Z", **fields: Any) -> App:
    return App(id=app_id, version=version, last_scaling_at=version, last_config_change_at=version, cmd="true", **fields)


def instance(app_id: str = "/team/app", **fields: Any) -> Instance:
    made: dict[str, Any] = {
        "id": new_id(app_id),
        "app_id": app_id,
        "version": "2026-01-01T00:00:00.000Z",
        "role": "*",
        "agent_id": "S0",
        "hostname": "h",
        "attributes": {"rack": "r1"},
        "region": None,
        "zone": "z",
        "host_ports": (31000, 31001),
        "staged_at": "2026-01-01T00:00:01.000Z",
        "condition": Condition.RUNNING,
        "ip_addresses": ("10.0.0.1",),
    }
    return Instance(**(made | fields))


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 60))  # type: ignore[arg-type]


def test_everything_comes_back(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        running, gone = instance(), instance("/other")
        apps = [app(), app("/other", container=Container(image="x"))]
        async with member(own_zookeeper, tree()) as one:
            await one.store.load()
            await one.store.set_framework_id("F1")
            groups = {"/": {"version": "v1"}, "/team": {"dependencies": ["/other"]}}
            versions = {each.id: each.version for each in apps}
            await one.store.save_root(version="v1", changed=apps, removed=[], groups=groups, apps=versions)
            await one.store.save_instances([running, gone])
            await one.store.delete_instances([gone.id, "never.instance-there"])
            await one.store.save_deployment("d1", {"steps": [1]})
            await one.store.save_deployment("d2", {})
            await one.store.delete_deployment("d2")
            await one.store.save_failure("/team/app", {"state": "TASK_FAILED"})
        async with member(own_zookeeper, tree()) as other:
            snapshot = await other.store.load()
            assert snapshot.framework_id == "F1"
            assert snapshot.apps == {each.id: each for each in apps}
            assert snapshot.groups == groups
            assert snapshot.instances == [running]
            assert snapshot.deployments == {"d1": {"steps": [1]}}
            assert snapshot.failures == {"/team/app": {"state": "TASK_FAILED"}}
            assert snapshot.versions["/team/app"] == ("2026-01-01T00:00:00.000Z",)
            assert await other.store.load_root("v1") == (groups, versions)

    run(body)


def test_versions_are_pruned_but_those_that_run(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        versions = [f"2026-01-0{number}T00:00:00.000Z" for number in range(1, 7)]
        async with member(own_zookeeper, tree(), max_versions=2) as one:
            await one.store.load()
            await one.store.set_framework_id("F")
            await one.store.save_instances([instance(version=versions[1])])
            for version in versions:
                await one.store.save_root(
                    version=version, changed=[app(version=version)], removed=[], groups={}, apps={"/team/app": version}
                )
            assert one.store.app_versions("/team/app") == (versions[1], *versions[-2:])
            assert one.store.root_versions() == tuple(versions[-2:])
            assert await one.store.load_version("/team/app", versions[0]) is None
            assert await one.store.load_version("/team/app", versions[1]) == app(version=versions[1])
            await one.store.save_root(version="z", changed=[], removed=["/team/app"], groups={}, apps={})
            assert await one.store.load_version("/team/app", versions[5]) is None
        async with member(own_zookeeper, tree()) as other:
            assert (await other.store.load()).apps == {}

    run(body)


def test_a_document_larger_than_a_node(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        noise = random.Random(1)
        large = {str(number): noise.randbytes(40).hex() for number in range(20_000)}  # over 1 MB packed
        async with member(own_zookeeper, tree(), max_node_size=200_000) as one:
            await one.store.load()
            for _ in range(2):  # the second one replaces the parts of the first
                await one.store.save_deployment("d", large)
            with pytest.raises(TooLargeError, match="/team/app: the definition has"):
                await one.store.save_root(version="v", changed=[app(env=large)], removed=[], groups={}, apps={})
        async with member(own_zookeeper, tree()) as other:
            assert (await other.store.load()).deployments == {"d": large}
            await other.store.delete_deployment("d")
            assert await other.connection.children(f"{tree()}/utopia/parts") == []

    run(body)


def test_ten_thousand_instances_in_seconds(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        async with member(own_zookeeper, tree()) as one:
            await one.store.load()
            await one.store.set_framework_id("F")
            begun = time.monotonic()
            await one.store.save_instances(instance() for _ in range(10_000))
            written = time.monotonic() - begun
        async with member(own_zookeeper, tree()) as other:
            begun = time.monotonic()
            assert len((await other.store.load()).instances) == 10_000
            read = time.monotonic() - begun
        assert written < 20, f"{written:.1f} s to write"
        assert read < 20, f"{read:.1f} s to read"

    run(body)


def test_a_deposed_leader_writes_nothing(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        async with member(own_zookeeper, tree(), "a:1") as one, member(own_zookeeper, tree(), "b:2") as two:
            await until(one.election.elected.is_set)
            await one.store.load()
            await until(lambda: two.election.leader == "a:1")
            assert not two.election.is_leader
            assert one.election.node is not None
            await two.connection.delete(one.election.node)  # as the end of its session does
            await until(two.election.elected.is_set)
            await until(one.election.lost.done)
            with pytest.raises(FencedError):
                await one.store.set_framework_id("stale")
            assert (await two.store.load()).framework_id is None

    run(body)


def test_abdication_hands_over_at_once(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        async with member(own_zookeeper, tree(), "a:1") as one, member(own_zookeeper, tree(), "b:2") as two:
            await until(one.election.elected.is_set)
            await one.election.abdicate()
            await until(two.election.elected.is_set, 2)
            assert two.election.leader == "b:2"

    run(body)


def test_a_short_absence_only_delays(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        async with member(own_zookeeper, tree(), session=9.0) as one:
            await until(one.election.elected.is_set)
            await one.store.load()
            await one.store.set_framework_id("F")
            await asyncio.to_thread(own_zookeeper.stop)
            await until(lambda: not one.connection.connected)
            write = asyncio.create_task(one.store.save_instances([instance()]))
            await asyncio.sleep(1)
            assert not write.done()
            await asyncio.to_thread(own_zookeeper.start)
            await write
            assert one.election.is_leader
            assert len((await one.store.load()).instances) == 1

    run(body)


def test_a_long_absence_ends_the_leadership(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        made = Member(own_zookeeper, tree(), "a:1", session=2.0)
        await made.connection.start()
        await made.election.start()
        await until(made.election.elected.is_set)
        await made.store.load()
        await asyncio.to_thread(own_zookeeper.stop)
        try:
            write = asyncio.create_task(made.store.set_framework_id("F"))
            assert await asyncio.wait_for(made.connection.lost, 10) == "ZooKeeper stayed away"
            with pytest.raises(SessionLostError):
                await write
        finally:
            await asyncio.to_thread(own_zookeeper.start)
            await made.connection.stop()

    run(body)


def test_with_credentials_nobody_else_reads(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        async with member(own_zookeeper, tree(), login=("marathon", "secret")) as one:
            await until(one.election.elected.is_set)
            await one.store.load()
            await one.store.set_framework_id("F")
        stranger = Connection(own_zookeeper.address)
        await stranger.start()
        try:
            with pytest.raises(AccessError):
                await stranger.get(f"{tree()}/utopia/framework-id")
        finally:
            await stranger.stop()

    run(body)


def test_instances_of_an_unknown_framework_are_not_led(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        async with member(own_zookeeper, tree()) as one:
            await one.store.load()
            await one.store.save_instances([instance()])
            with pytest.raises(FrameworkIdMissingError, match="1 instances are stored"):
                await one.store.load()

    run(body)


def test_a_standby_writes_nothing(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        async with member(own_zookeeper, tree(), "a:1") as one, member(own_zookeeper, tree(), "b:2") as two:
            await one.store.load()
            with pytest.raises(FencedError):
                await two.store.set_framework_id("F")

    run(body)


def test_another_format_is_refused(own_zookeeper: Any, tree: Callable[[], str]) -> None:
    async def body() -> None:
        async with member(own_zookeeper, tree()) as one:
            await one.store.load()
            await one.connection.transact([("set", f"{tree()}/utopia/format", b"99")])
            with pytest.raises(StorageError, match="has format 99"):
                await one.store.load()

    run(body)


def test_no_server() -> None:
    async def body() -> None:
        connection = Connection("127.0.0.1:1", connect_timeout=1)
        with pytest.raises(ConnectError, match=r"127\.0\.0\.1:1"):
            await connection.start()

    run(body)
