"""Who goes first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.scheduler.definitions.app import App
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.kill_selection import select

C = Condition
OLD, YOUNG = "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z"


@pytest.mark.parametrize(("selection", "first"), [("YOUNGEST_FIRST", "young"), ("OLDEST_FIRST", "old")])
def test_by_age(app: Callable[..., App], instance: Callable[..., Instance], selection: str, first: str) -> None:
    some = [instance(id=name, condition=C.RUNNING, started_at=at) for name, at in (("old", OLD), ("young", YOUNG))]
    assert [one.id for one in select(app(kill_selection=selection), some, 1)] == [first]


def test_those_that_serve_nobody_go_first(app: Callable[..., App], instance: Callable[..., Instance]) -> None:
    some = [
        instance(id="serves", condition=C.RUNNING, healthy=True),
        instance(id="unhealthy", condition=C.RUNNING, healthy=False),
        instance(id="starting", condition=C.STARTING),
        instance(id="staging", condition=C.STAGING),
        instance(id="provisioned", condition=C.PROVISIONED),
        instance(id="unreachable", condition=C.UNREACHABLE),
        instance(id="inactive", condition=C.UNREACHABLE_INACTIVE),
        instance(id="killing", condition=C.KILLING),
        instance(id="failed", condition=C.FAILED),
    ]
    order = ["inactive", "unreachable", "provisioned", "staging", "starting", "unhealthy", "serves"]
    assert [one.id for one in select(app(), some, 99)] == order
    assert [one.id for one in select(app(), reversed(some), 3)] == order[:3]


def test_an_older_version_goes_before_age(app: Callable[..., App], instance: Callable[..., Instance]) -> None:
    now = "2026-02-01T00:00:00.000Z"
    web = app(version=now, last_config_change_at=now)
    some = [
        instance(id="new", condition=C.RUNNING, started_at=YOUNG, version=now),
        instance(id="outdated", condition=C.RUNNING, started_at=OLD),
    ]
    assert [one.id for one in select(web, some, 1)] == ["outdated"]


@pytest.mark.parametrize("number", [0, -1])
def test_none(app: Callable[..., App], instance: Callable[..., Instance], number: int) -> None:
    assert select(app(), [instance()], number) == []
