"""How long the next launch waits."""

from __future__ import annotations

import pytest
from unit.services.scheduler.instances.recording import make_app

from services.scheduler.launching.backoff import VIABLE_AFTER, Backoff

WEB = make_app(backoff_seconds=1.0, backoff_factor=2.0, max_launch_delay_seconds=5.0)


def test_it_grows_to_its_bound() -> None:
    backoff, now, waits = Backoff(), 100.0, []
    for _ in range(5):
        backoff.failed(WEB, now)
        waits.append(backoff.until(WEB, now) - now)
        now = backoff.until(WEB, now)
    assert waits == [1, 2, 4, 5, 5]


def test_instances_that_fail_together_are_one_failure() -> None:
    backoff = Backoff()
    for moment in (100.0, 100.1, 100.2):
        backoff.failed(WEB, moment)
    assert backoff.until(WEB, 100.2) == 101.2


ANEW = {
    "after a task that ran long": {"now": 101.0, "ran": VIABLE_AFTER},
    "after a long time in peace": {"now": 102.0 + VIABLE_AFTER + 1},
}


@pytest.mark.parametrize("arguments", ANEW.values(), ids=ANEW)
def test_it_begins_anew(arguments: dict[str, float]) -> None:
    backoff = Backoff()
    backoff.failed(WEB, 99.0)
    backoff.failed(WEB, 100.0)
    assert backoff.failed(WEB, **arguments).seconds == 1.0


def test_a_new_configuration_does_not_wait() -> None:
    backoff = Backoff()
    backoff.failed(WEB, 100.0)
    newer = make_app(last_config_change_at="2026-02-01T00:00:00.000Z")
    assert backoff.until(newer, 100.0) == 100.0
    assert backoff.failed(newer, 100.0).seconds == 1.0


def test_none_at_all() -> None:
    backoff, eager = Backoff(), make_app(backoff_seconds=0.0)
    backoff.failed(eager, 100.0)
    assert backoff.until(eager, 100.0) == 100.0


def test_reset() -> None:
    backoff = Backoff()
    assert not backoff.reset("/web")
    backoff.failed(WEB, 100.0)
    assert backoff.reset("/web")
    assert backoff.until(WEB, 100.0) == 100.0
