"""Turns, bounded waits and calls that go together."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.scheduler.instances.pace import TURN, Pace, each, set_within


def test_others_get_their_turn() -> None:
    async def run() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        pace, yielded = Pace(), 0
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            yielded += await pace.turn()
        task.cancel()
        assert 2 <= yielded <= 0.1 / TURN + 1
        assert turns >= yielded

    asyncio.run(run())


def test_set_within() -> None:
    async def run() -> None:
        event = asyncio.Event()
        assert not await set_within(event, 0.01)
        event.set()
        assert await set_within(event, None)

    asyncio.run(run())


@pytest.mark.parametrize("seconds", [None, 60])
def test_a_cancellation_together_with_the_event_is_not_lost(seconds: float | None) -> None:
    async def run() -> None:
        event = asyncio.Event()
        task = asyncio.create_task(set_within(event, seconds))
        await asyncio.sleep(0)
        event.set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_each_begins_in_order_and_keeps_its_bound() -> None:
    async def run() -> None:
        begun: list[int] = []
        under_way = most = 0

        async def action(item: int) -> None:
            nonlocal under_way, most
            begun.append(item)
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.001)
            under_way -= 1

        await each(range(50), action, at_once=4)
        assert begun == list(range(50))
        assert most == 4
        await each([], action)

    asyncio.run(run())


def test_an_error_ends_each() -> None:
    async def run() -> None:
        async def action(item: int) -> None:
            if item == 3:
                raise ValueError(item)
            await asyncio.sleep(0)

        with pytest.raises(ExceptionGroup) as caught:
            await each(range(1000), action)
        assert caught.group_contains(ValueError, match="3")

    asyncio.run(run())
