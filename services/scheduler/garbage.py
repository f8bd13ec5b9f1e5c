"""Pauses of Python's garbage collector kept short: the one event loop stands still as long as it looks for cycles."""

from __future__ import annotations

import gc

# So many new objects until the youngest are looked at, so many looks at these until one at those of middle age, so
# many of these until one at all. A look at all takes a third of a second with 10,000 tasks, comes several times in
# each launch by Python's own numbers, and finds next to nothing: what the scheduler drops is freed by reference counts.
# One at those of middle age takes a millisecond for each 4,000 objects.
_THRESHOLDS = (10_000, 5, 400)


def settle() -> None:
    """After everything is loaded: what is there stays, and is never looked at again; the rest seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
