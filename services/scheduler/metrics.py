"""Numbers about the scheduler, under Marathon's names: as JSON (Dropwizard's shape) and as text for Prometheus.

    metrics.counter("marathon.tasks.launched.counter").add()
    metrics.gauge("marathon.apps.active.gauge", lambda: len(apps))
    with metrics.timer("marathon.http.requests.get.timer.seconds").measured(): ...

Asking again for a name gives the same counter or timer; a gauge is replaced. Gauges are read when somebody asks.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SAMPLES = 1_024  # of a timer, for its quantiles
QUANTILES = {"p50": 0.5, "p75": 0.75, "p95": 0.95, "p98": 0.98, "p99": 0.99, "p999": 0.999}


class Counter:
    """Only grows."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, number: int = 1) -> None:
        """Count something."""
        self.count += number


class Timer:
    """Durations in seconds; quantiles over the last ones."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self._samples: deque[float] = deque(maxlen=SAMPLES)

    def add(self, seconds: float) -> None:
        """One more duration."""
        self.count += 1
        self.total += seconds
        self._samples.append(seconds)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """The duration of a block."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.add(time.monotonic() - begun)

    def quantiles(self) -> dict[str, float]:
        """By Dropwizard's names; 0.0 without any sample."""
        ordered = sorted(self._samples)
        last = len(ordered) - 1
        return {name: ordered[round(share * last)] if ordered else 0.0 for name, share in QUANTILES.items()}

    def document(self) -> dict[str, Any]:
        """As Dropwizard shows a timer."""
        samples = self._samples
        return {
            "count": self.count,
            "max": max(samples, default=0.0),
            "mean": sum(samples) / len(samples) if samples else 0.0,
            "min": min(samples, default=0.0),
            **self.quantiles(),
            "duration_units": "seconds",
        }


class Metrics:
    """All of them, by name."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self._timers: dict[str, Timer] = {}

    def counter(self, name: str) -> Counter:
        """The counter of this name."""
        return self._counters.setdefault(name, Counter())

    def timer(self, name: str) -> Timer:
        """The timer of this name."""
        return self._timers.setdefault(name, Timer())

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """`read` is called whenever the numbers are asked for."""
        self._gauges[name] = read

    def document(self) -> dict[str, Any]:
        """What `GET /metrics` answers."""
        return {
            "version": "4.0.0",
            "gauges": {name: {"value": read()} for name, read in sorted(self._gauges.items())},
            "counters": {name: {"count": counter.count} for name, counter in sorted(self._counters.items())},
            "histograms": {},
            "meters": {},
            "timers": {name: timer.document() for name, timer in sorted(self._timers.items())},
        }

    def prometheus(self) -> str:
        """What `GET /metrics/prometheus` answers: text format 0.0.4."""
        lines = []
        for name, read in sorted(self._gauges.items()):
            lines += [f"# TYPE {_flat(name)} gauge", f"{_flat(name)} {read()!r}"]
        for name, counter in sorted(self._counters.items()):
            lines += [f"# TYPE {_flat(name)} counter", f"{_flat(name)} {counter.count}"]
        for name, timer in sorted(self._timers.items()):
            flat, quantiles = _flat(name), timer.quantiles()
            lines.append(f"# TYPE {flat} summary")
            lines += [f'{flat}{{quantile="{QUANTILES[key]:g}"}} {value!r}' for key, value in quantiles.items()]
            lines += [f"{flat}_sum {timer.total!r}", f"{flat}_count {timer.count}"]
        return "\n".join(lines) + "\n"


def _flat(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_:]", "_", name)
