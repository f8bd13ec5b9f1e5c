"""Long work in one event loop: others get their turn every few milliseconds."""

from __future__ import annotations

import asyncio

from services.scheduler import clock

TURN = 0.005  # seconds


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
