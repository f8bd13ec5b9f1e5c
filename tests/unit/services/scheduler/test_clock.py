from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.scheduler import clock


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678_999, UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 0, UTC), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 0, timezone(timedelta(hours=2))), "2026-01-02T01:04:05.000Z"),
    ],
)
def test_text(moment: datetime, expected: str) -> None:
    assert clock.text(moment) == expected


def test_now_can_be_parsed_and_written_again() -> None:
    moment = clock.now()
    assert clock.text(clock.parse(moment)) == moment
    assert abs(clock.since(moment)) < 5


def test_a_time_without_zone_is_utc() -> None:
    assert clock.parse("2026-01-02T03:04:05.678").tzinfo is UTC


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        clock.parse("yesterday")


def test_versions_grow_even_when_the_clock_went_back() -> None:
    assert clock.next_after("2999-12-31T23:59:59.999Z") == "3000-01-01T00:00:00.000Z"
    assert clock.next_after(None) <= clock.now()
    assert clock.next_after("2020-01-01T00:00:00.000Z") > "2026-01-01T00:00:00.000Z"
