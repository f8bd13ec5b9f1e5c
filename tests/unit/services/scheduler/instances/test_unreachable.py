"""When an instance is given up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.scheduler.definitions.app import UnreachableStrategy
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.unreachable import overdue_step, unreachable_step

C = Condition

UNREACHABLE = {  # condition, (inactive after, expunge after), seconds in the condition, step
    "at once": (C.UNREACHABLE, (0, 0), 0, "expunge"),
    "not yet": (C.UNREACHABLE, (60, 600), 59, None),
    "replaced": (C.UNREACHABLE, (60, 600), 60, "replace"),
    "both are due": (C.UNREACHABLE, (60, 600), 600, "expunge"),
    "replaced, not given up": (C.UNREACHABLE_INACTIVE, (60, 600), 539, None),
    "given up": (C.UNREACHABLE_INACTIVE, (60, 600), 540, "expunge"),
    "disabled": (C.UNREACHABLE, None, 1e9, None),
    "disabled meanwhile": (C.UNREACHABLE_INACTIVE, None, 1e9, None),
    "another condition": (C.RUNNING, (0, 0), 1e9, None),
}


@pytest.mark.parametrize(("condition", "strategy", "seconds", "step"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_unreachable(
    instance: Callable[..., Instance],
    condition: Condition,
    strategy: tuple[int, int] | None,
    seconds: float,
    step: str | None,
) -> None:
    wanted = UnreachableStrategy(*strategy) if strategy else None
    assert unreachable_step(instance(condition=condition), wanted, seconds) == step


OVERDUE = {
    "fresh": (C.PROVISIONED, 9, None),
    "Mesos says nothing": (C.PROVISIONED, 10, "kill"),
    "an image takes its time": (C.STAGING, 19, None),
    "stuck": (C.STAGING, 20, "kill"),
    "stuck while starting": (C.STARTING, 20, "kill"),
    "created": (C.CREATED, 20, "kill"),
    "runs": (C.RUNNING, 1e9, None),
    "is being killed": (C.KILLING, 1e9, None),
}


@pytest.mark.parametrize(("condition", "seconds", "step"), OVERDUE.values(), ids=OVERDUE)
def test_overdue(instance: Callable[..., Instance], condition: Condition, seconds: float, step: str | None) -> None:
    assert overdue_step(instance(condition=condition), seconds, confirm=10, launch=20) == step
