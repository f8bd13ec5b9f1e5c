"""Health checks and checks of a task: when they run, what their results mean.

How a probe is made (in which network namespace, in which container) is the task's part: see `Prober`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .values import Json, log


class Prober(Protocol):
    """Makes one probe; any exception means that it failed."""

    def http(self, scheme: str, port: int, path: str, timeout: float) -> int:
        """The status code of a GET to the task."""

    def tcp(self, port: int, timeout: float) -> None:
        """Open a connection to the task and close it."""

    def command(self, command: Json, timeout: float) -> int:
        """The exit status of a command run beside or in the task."""


@dataclass(frozen=True)
class Timing:
    """Seconds; the defaults are those of the API."""

    delay: float
    interval: float
    timeout: float

    @classmethod
    def of(cls, check: Json) -> Timing:
        """Read from a HealthCheck or CheckInfo. A timeout of 0 means none: an hour bounds it here."""
        return cls(
            delay=float(check.get("delay_seconds", 15)),
            interval=float(check.get("interval_seconds", 10)),
            timeout=float(check.get("timeout_seconds", 20)) or 3600.0,
        )


class HealthVerdict:
    """From probe results to the `healthy` flag and to the decision that the task must go."""

    def __init__(self, check: Json) -> None:
        self._grace = float(check.get("grace_period_seconds", 10))
        self._limit = int(check.get("consecutive_failures", 3))
        self._failures = 0
        self.healthy: bool | None = None

    def observe(self, passed: bool, elapsed: float) -> tuple[bool, bool]:
        """(the flag changed, the task has to be killed). `elapsed`: seconds since the task runs."""
        before = self.healthy
        if passed:
            self._failures = 0
            self.healthy = True
        elif before is None and elapsed < self._grace:
            return False, False
        else:
            self._failures += 1
            self.healthy = False
        return self.healthy is not before, bool(self._limit) and self._failures >= self._limit


def check_kind(check: Json) -> str:
    """COMMAND, HTTP or TCP. Old frameworks set the part that they mean, but no type."""
    kind = check.get("type", "UNKNOWN")
    if kind != "UNKNOWN":
        return str(kind)
    return next((name.upper() for name in ("command", "http", "tcp") if name in check), "UNKNOWN")


def probe_health(check: Json, prober: Prober) -> bool:
    """One health check. A probe that cannot be made counts as failed, with the reason in the log."""
    timeout = Timing.of(check).timeout
    kind = check_kind(check)
    try:
        if kind == "HTTP":
            http = check["http"]
            status = prober.http(http.get("scheme", "http"), int(http["port"]), http.get("path", "/"), timeout)
            passed = 200 <= status < 400
            reason = f"status {status}"
        elif kind == "TCP":
            prober.tcp(int(check["tcp"]["port"]), timeout)
            return True
        else:
            status = prober.command(check["command"], timeout)
            passed = status == 0
            reason = f"exit status {status}"
    except Exception as error:
        passed, reason = False, f"{type(error).__name__}: {error}"
    if not passed:
        log(f"{kind} health check failed: {reason}")
    return passed


def probe_check(check: Json, prober: Prober) -> Json:
    """One check; the result is a CheckStatusInfo, with an empty part if the probe could not be made."""
    timeout = Timing.of(check).timeout
    kind = check_kind(check)
    result = empty_check_status(check)
    try:
        if kind == "HTTP":
            http = check["http"]
            result["http"]["status_code"] = prober.http("http", int(http["port"]), http.get("path", "/"), timeout)
        elif kind == "TCP":
            result["tcp"]["succeeded"] = False
            prober.tcp(int(check["tcp"]["port"]), timeout)
            result["tcp"]["succeeded"] = True
        else:
            result["command"]["exit_code"] = prober.command(check["command"]["command"], timeout)
    except Exception as error:
        log(f"{kind} check failed: {type(error).__name__}: {error}")
    return result


def empty_check_status(check: Json) -> Json:
    """The CheckStatusInfo before there is a result."""
    kind = check_kind(check)
    return {"type": kind, kind.lower(): {}}


class Monitor:
    """Runs the checks of one task, each in a thread of its own, until stopped."""

    def __init__(self, task: Json, prober: Prober) -> None:
        self._task = task
        self._prober = prober
        self._stopped = threading.Event()

    def start(self, on_health: Callable[[bool, bool], None], on_check: Callable[[Json], None]) -> None:
        """`on_health(healthy, kill)` and `on_check(status)` are called when there is something new."""
        if "health_check" in self._task:
            self._thread(lambda: self._watch_health(self._task["health_check"], on_health))
        if "check" in self._task:
            self._thread(lambda: self._watch_check(self._task["check"], on_check))

    def stop(self) -> None:
        """No callback begins after the task's end."""
        self._stopped.set()

    @staticmethod
    def _thread(work: Callable[[], None]) -> None:
        threading.Thread(target=work, name="check", daemon=True).start()

    def _watch_health(self, check: Json, on_health: Callable[[bool, bool], None]) -> None:
        timing, verdict, started = Timing.of(check), HealthVerdict(check), time.monotonic()
        pause = timing.delay
        while not self._stopped.wait(pause):
            passed = probe_health(check, self._prober)
            if self._stopped.is_set():
                return
            changed, kill = verdict.observe(passed, time.monotonic() - started)
            if changed or kill:
                on_health(bool(verdict.healthy), kill)
            if kill:
                return
            pause = timing.interval

    def _watch_check(self, check: Json, on_check: Callable[[Json], None]) -> None:
        timing, last = Timing.of(check), empty_check_status(check)
        pause = timing.delay
        while not self._stopped.wait(pause):
            status = probe_check(check, self._prober)
            if status != last and not self._stopped.is_set():
                on_check(status)
            last, pause = status, timing.interval
