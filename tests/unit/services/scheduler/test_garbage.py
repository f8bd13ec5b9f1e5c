"""How seldom Python looks for cycles once everything is loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from services.scheduler import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_is_loaded_is_never_looked_at_again() -> None:
    loaded = [[number] for number in range(10_000)]
    garbage.settle()
    assert gc.get_freeze_count() >= len(loaded)
    assert len(gc.get_objects()) < len(loaded)


def test_a_look_at_everything_is_rare() -> None:
    garbage.settle()
    before = gc.get_stats()[2]["collections"]
    kept = [[number] for number in range(200_000)]
    assert gc.get_stats()[2]["collections"] == before, f"{len(kept)} lists more"
