"""Checks: what a row of results means, which probe is made, when monitoring ends."""

import threading
from typing import Any

import pytest
from utopia_mesos.checks import HealthVerdict, Monitor, Timing, check_kind, probe_check, probe_health

HTTP = {"type": "HTTP", "http": {"port": 1}}
TCP = {"type": "TCP", "tcp": {"port": 1}}
COMMAND = {"type": "COMMAND", "command": {"command": {}}}

# (check, [(passed, elapsed)...] -> [(healthy, changed, kill)...])
ROWS = {
    "failures in the grace period do not count": (
        {"grace_period_seconds": 10, "consecutive_failures": 1},
        [(False, 1), (False, 9.9), (True, 11)],
        [(None, False, False), (None, False, False), (True, True, False)],
    ),
    "after it they do": (
        {"grace_period_seconds": 10, "consecutive_failures": 2},
        [(False, 11), (False, 12)],
        [(False, True, False), (False, False, True)],
    ),
    "once healthy there is no grace": (
        {"grace_period_seconds": 100, "consecutive_failures": 1},
        [(True, 1), (False, 2)],
        [(True, True, False), (False, True, True)],
    ),
    "only failures in a row": (
        {"grace_period_seconds": 0, "consecutive_failures": 2},
        [(False, 1), (True, 2), (False, 3), (False, 4)],
        [(False, True, False), (True, True, False), (False, True, False), (False, False, True)],
    ),
    "0 never kills": (
        {"grace_period_seconds": 0, "consecutive_failures": 0},
        [(False, 1), (False, 2), (False, 3)],
        [(False, True, False), (False, False, False), (False, False, False)],
    ),
    "three by default": (
        {},
        [(False, t) for t in (11, 12, 13)],
        [(False, True, False), (False, False, False), (False, False, True)],
    ),
}


@pytest.mark.parametrize(("check", "results", "expected"), ROWS.values(), ids=ROWS.keys())
def test_verdict(check: dict[str, Any], results: list[Any], expected: list[Any]) -> None:
    verdict = HealthVerdict(check)
    seen = []
    for passed, elapsed in results:
        changed, kill = verdict.observe(passed, elapsed)
        seen.append((verdict.healthy, changed, kill))
    assert seen == expected


def test_defaults_of_the_api() -> None:
    assert Timing.of({}) == Timing(delay=15, interval=10, timeout=20)


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        ({"type": "TCP", "tcp": {}}, "TCP"),
        ({"http": {}}, "HTTP"),
        ({"type": "UNKNOWN", "command": {}}, "COMMAND"),
        ({}, "UNKNOWN"),
    ],
)
def test_kind(check: dict[str, Any], kind: str) -> None:
    assert check_kind(check) == kind


class FakeProber:
    def __init__(self, result: int = 0, error: Exception | None = None) -> None:
        self.result, self.error, self.asked = result, error, threading.Event()

    def _answer(self, *_: object) -> int:
        self.asked.set()
        if self.error is not None:
            raise self.error
        return self.result

    http = tcp = command = _answer


@pytest.mark.parametrize(
    ("check", "prober", "healthy"),
    [
        (HTTP, FakeProber(200), True),
        (HTTP, FakeProber(399), True),
        (HTTP, FakeProber(404), False),
        (HTTP, FakeProber(error=TimeoutError()), False),
        (TCP, FakeProber(), True),
        (TCP, FakeProber(error=ConnectionRefusedError()), False),
        (COMMAND, FakeProber(0), True),
        (COMMAND, FakeProber(1), False),
    ],
)
def test_health_of_a_probe(check: dict[str, Any], prober: FakeProber, healthy: bool) -> None:
    assert probe_health(check, prober) is healthy


@pytest.mark.parametrize(
    ("check", "prober", "status"),
    [
        (HTTP, FakeProber(503), {"type": "HTTP", "http": {"status_code": 503}}),
        (HTTP, FakeProber(error=OSError()), {"type": "HTTP", "http": {}}),
        (TCP, FakeProber(), {"type": "TCP", "tcp": {"succeeded": True}}),
        (TCP, FakeProber(error=OSError()), {"type": "TCP", "tcp": {"succeeded": False}}),
        (COMMAND, FakeProber(9), {"type": "COMMAND", "command": {"exit_code": 9}}),
    ],
)
def test_status_of_a_check(check: dict[str, Any], prober: FakeProber, status: dict[str, Any]) -> None:
    assert probe_check(check, prober) == status


def test_the_monitor_reports_a_change_once_and_stops() -> None:
    reports: list[tuple[bool, bool]] = []
    told = threading.Event()
    check = {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": 0, "interval_seconds": 0.01}
    prober = FakeProber()
    monitor = Monitor({"health_check": check}, prober)
    monitor.start(lambda *report: (reports.append(report), told.set()), lambda _: None)
    assert told.wait(5)
    for _ in range(3):
        prober.asked.clear()
        assert prober.asked.wait(5)
    monitor.stop()
    assert reports == [(True, False)]
