"""Waiting in tests: for a condition, within a bound, with a failure that says what did not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float, what: str | Callable[[], str]) -> T:
    """The first true value of `condition`; fails with `what` after so many seconds (a function is asked then)."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"after {seconds:g} s: {what() if callable(what) else what}"
        time.sleep(0.1)
    return value
