"""Changes with many applications do not hold up the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from services.scheduler.api.answers import Refusal
from services.scheduler.api.changes import aside
from services.scheduler.definitions.group import Group


def test_the_loop_is_free_while_a_change_is_made() -> None:
    async def run() -> None:
        loop, free = asyncio.get_running_loop(), threading.Event()

        def change(root: Group, version: str) -> Group:
            loop.call_soon_threadsafe(free.set)
            assert free.wait(5), "others have their turn meanwhile"
            return root.with_group(Group("/made"), version=version)

        made = await aside(change)(Group(), "2026-01-01T00:00:00.000Z")
        assert made.group("/made") is not None

    asyncio.run(run())


def test_a_refusal_is_told() -> None:
    def change(_root: Group, _version: str) -> Group:
        raise Refusal(409, "no")

    with pytest.raises(Refusal):
        asyncio.run(asyncio.wait_for(aside(change)(Group(), ""), 5))
