"""Working and waiting in one event loop: others get their turn every few milliseconds, and waits can be ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from services.scheduler import clock

TURN = 0.002  # seconds: an answer of the API waits for some turns of several workers
AT_ONCE = 16  # calls that are on the way together

T = TypeVar("T")


class Pace:
    """`await pace.turn()` in a loop costs a clock reading, and a turn of the event loop when one is due."""

    def __init__(self) -> None:
        self._due = clock.monotonic() + TURN

    async def turn(self) -> bool:
        """Let others run if it is time. True if they did: what was read before may have changed."""
        if clock.monotonic() < self._due:
            return False
        await asyncio.sleep(0)
        self._due = clock.monotonic() + TURN
        return True


async def set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Waits until the event is set; False if it is not after so many seconds (None: no bound).

    Unlike `asyncio.wait_for` of Python 3.11 it does not swallow a cancellation that comes together with the event
    (https://github.com/python/cpython/issues/86296), after which a loop would go on for ever.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def each(items: Iterable[T], action: Callable[[T], Awaitable[None]], at_once: int = AT_ONCE) -> None:
    """`action` for all items, some at once, begun in their order. The first error ends it."""
    left, pace = iter(items), Pace()

    async def work() -> None:
        for item in left:
            await action(item)
            await pace.turn()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
