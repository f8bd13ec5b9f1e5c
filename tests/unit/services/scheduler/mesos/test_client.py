"""The subscription over real HTTP: kept, authenticated, redirected, ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mesos_simulator import MesosSimulator
from simulated_agent import SimulatedAgent

from services.scheduler.mesos import events, framework
from services.scheduler.mesos.client import FrameworkGoneError, MesosClient, MesosError
from services.scheduler.mesos.detector import ListDetector
from services.scheduler.settings import Settings


class MovingDetector(ListDetector):
    """A leader that can be changed, as a watch in ZooKeeper would tell."""

    def __init__(self, master: str) -> None:
        super().__init__([master])
        self.master = master
        self.moved = asyncio.Event()

    async def leader(self) -> str:
        return self.master

    async def changed(self, master: str) -> None:
        while self.master == master:
            await self.moved.wait()
            self.moved.clear()

    def move(self, master: str) -> None:
        self.master = master
        self.moved.set()


class Subscriber:
    """A client with what it was told."""

    def __init__(self, masters: str | ListDetector, **arguments: Any) -> None:
        self.events: list[dict[str, Any]] = []
        detector = ListDetector(masters.split(",")) if isinstance(masters, str) else masters
        info = framework.info(Settings(master="m:5050", hostname="s-1"), None)
        login = {"principal": None, "secret_file": None}
        self.client = MesosClient(detector, framework_info=info, on_event=self.events.append, **{**login, **arguments})

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    async def until(self, count: int, kind: str) -> dict[str, Any]:
        """The `count`th event of a kind."""
        async with asyncio.timeout(10):
            while True:
                found = [event for event in self.events if event["type"] == kind]
                if len(found) >= count:
                    return found[count - 1]
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def subscribed(masters: str | ListDetector, **arguments: Any) -> AsyncIterator[Subscriber]:
    subscriber = Subscriber(masters, **arguments)
    task = asyncio.create_task(subscriber.client.run())
    try:
        await subscriber.until(1, "SUBSCRIBED")
        yield subscriber
    finally:
        await subscriber.client.close()
        await asyncio.wait_for(task, 5)


def test_the_framework_id_is_kept_over_subscriptions() -> None:
    async def run() -> None:
        async with MesosSimulator() as mesos, subscribed(mesos.address) as subscriber:
            first = subscriber.client.framework_id
            mesos.disconnect()
            await subscriber.until(1, "DISCONNECTED")
            again = await subscriber.until(2, "SUBSCRIBED")
            assert again["subscribed"]["framework_id"]["value"] == first
            assert subscriber.client.connected

    asyncio.run(run())


def test_a_standby_names_the_leader() -> None:
    async def run() -> None:
        async with MesosSimulator() as leader, MesosSimulator() as standby:
            standby.leader = leader.address
            async with subscribed(standby.address) as subscriber:
                assert subscriber.client.master == leader.address
                await subscriber.client.reconcile([])
                assert leader.call_counts["RECONCILE"] == 1

    asyncio.run(run())


def test_masters_that_point_at_each_other_are_no_endless_loop(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with MesosSimulator() as mesos:
            mesos.leader = mesos.address
            subscriber = Subscriber(mesos.address)
            task = asyncio.create_task(subscriber.client.run())
            async with asyncio.timeout(5):
                while "from one to the other" not in caplog.text:
                    await asyncio.sleep(0.01)
            mesos.leader = None
            await subscriber.until(1, "SUBSCRIBED")
            await subscriber.client.close()
            await task

    asyncio.run(run())


def test_a_new_leader_is_followed_although_the_old_one_still_answers() -> None:
    async def run() -> None:
        async with MesosSimulator() as old, MesosSimulator() as new:
            detector = MovingDetector(old.address)
            async with subscribed(detector) as subscriber:
                detector.move(new.address)
                await subscriber.until(2, "SUBSCRIBED")
                assert subscriber.types() == ["SUBSCRIBED", "DISCONNECTED", "SUBSCRIBED"]
                assert subscriber.client.master == new.address

    asyncio.run(run())


def test_silence_ends_the_subscription() -> None:
    async def run() -> None:
        mesos = MesosSimulator(heartbeat_seconds=0.1)
        async with mesos, subscribed(mesos.address, heartbeat_failures=3) as subscriber:
            await asyncio.sleep(0.6)
            assert subscriber.types() == ["SUBSCRIBED"], "heartbeats keep it"
            mesos._heartbeat_seconds = 3600  # they stop coming
            await subscriber.until(1, "DISCONNECTED")

    asyncio.run(run())


def test_login_from_a_file_that_may_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        secret = tmp_path / "secret"
        secret.write_text("right\n")
        login = {"principal": "marathon", "secret_file": str(secret)}
        async with (
            MesosSimulator(login=("marathon", "right")) as mesos,
            subscribed(mesos.address, **login) as subscriber,
        ):
            await subscriber.client.reconcile([])
            secret.write_text("other")
            mesos.disconnect()
            async with asyncio.timeout(5):
                while "401" not in caplog.text:
                    await asyncio.sleep(0.01)
            secret.unlink()
            async with asyncio.timeout(5):
                while "No such file" not in caplog.text:
                    await asyncio.sleep(0.01)
            secret.write_text("right")
            await subscriber.until(2, "SUBSCRIBED")
            await subscriber.client.reconcile([])
            assert "other" not in caplog.text

    asyncio.run(run())


def test_calls_without_a_subscription_are_refused() -> None:
    async def run() -> None:
        subscriber = Subscriber("127.0.0.1:1")
        with pytest.raises(MesosError, match="not subscribed") as refused:
            await subscriber.client.revive(["*"])
        assert refused.value.refused

    asyncio.run(run())


def test_a_call_to_a_master_that_is_gone_is_in_doubt() -> None:
    async def run() -> None:
        async with MesosSimulator() as mesos, subscribed(mesos.address) as subscriber:
            subscriber.client.master = "127.0.0.1:1"
            with pytest.raises(MesosError) as failed:
                await subscriber.client.reconcile([])
            assert not failed.value.refused

    asyncio.run(run())


def test_a_removed_framework_is_not_tried_again() -> None:
    async def run() -> None:
        async with MesosSimulator() as mesos:
            subscriber = Subscriber(mesos.address)
            task = asyncio.create_task(subscriber.client.run())
            await subscriber.until(1, "SUBSCRIBED")
            await subscriber.client.teardown()
            with pytest.raises(FrameworkGoneError, match="removed"):
                await asyncio.wait_for(task, 5)
            await subscriber.client.close()

    asyncio.run(run())


def test_the_second_scheduler_of_a_framework_ends_the_first() -> None:
    async def run() -> None:
        async with MesosSimulator() as mesos:
            first = Subscriber(mesos.address)
            task = asyncio.create_task(first.client.run())
            await first.until(1, "SUBSCRIBED")
            second = Subscriber(mesos.address)
            second.client._info["id"] = {"value": first.client.framework_id}
            other = asyncio.create_task(second.client.run())
            with pytest.raises(FrameworkGoneError, match="failed over"):
                await asyncio.wait_for(task, 5)
            await second.until(1, "SUBSCRIBED")
            for subscriber in (first, second):
                await subscriber.client.close()
            await other

    asyncio.run(run())


def test_it_may_be_closed_while_it_is_busy_with_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads on from a connection that is gone then; `subscribed` sees that `run` ends well."""
    decode = events.decode

    async def run() -> None:
        busy = asyncio.Event()

        async with MesosSimulator(heartbeat_seconds=0.05) as mesos, subscribed(mesos.address) as subscriber:

            async def decode_until_closed(*arguments: Any) -> Any:
                busy.set()
                while subscriber.client._session is not None and not subscriber.client._session.closed:
                    await asyncio.sleep(0)
                return await decode(*arguments)

            monkeypatch.setattr(events, "decode", decode_until_closed)
            await busy.wait()

    asyncio.run(run())


def test_suppressed_roles_survive_a_change_of_master() -> None:
    async def run() -> None:
        async with MesosSimulator([SimulatedAgent("a-1")]) as mesos, subscribed(mesos.address) as subscriber:
            await subscriber.client.suppress(["*"])
            mesos.disconnect()
            await subscriber.until(2, "SUBSCRIBED")
            assert mesos.of_type("SUBSCRIBE")[-1]["subscribe"]["suppressed_roles"] == ["*"]
            assert subscriber.client.suppressed == {"*"}
            await subscriber.client.revive(["*"])
            offers = await subscriber.until(1, "OFFERS")
            assert offers["offers"]["offers"][0]["hostname"] == "a-1"

    asyncio.run(run())
