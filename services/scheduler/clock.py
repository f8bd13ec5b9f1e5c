"""Times as Marathon writes them: UTC with milliseconds, `2026-01-31T12:00:00.000Z`.

All have one length, so that text order is time order.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

monotonic = time.monotonic  # seconds; for durations, never for what is stored


def text(moment: datetime) -> str:
    """A moment as text; finer than milliseconds is cut off."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def now() -> str:
    """This moment as text."""
    return text(datetime.now(UTC))


def parse(moment: str) -> datetime:
    """Text -> aware datetime; ValueError if it is not a time. A text without a zone is UTC."""
    parsed = datetime.fromisoformat(moment)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def since(moment: str) -> float:
    """Seconds that have passed since `moment`; negative if it is to come."""
    return (datetime.now(UTC) - parse(moment)).total_seconds()


def next_after(moment: str | None) -> str:
    """Now, or one millisecond after `moment` if that is later: versions grow even when clocks go back."""
    current = now()
    if moment is None or current > moment:
        return current
    return text(parse(moment) + timedelta(milliseconds=1))
