"""Metrics in both of their shapes."""

from __future__ import annotations

import pytest

from services.scheduler.metrics import SAMPLES, Metrics


def test_both_shapes() -> None:
    metrics = Metrics()
    metrics.counter("marathon.tasks.launched.counter").add(3)
    metrics.counter("marathon.tasks.launched.counter").add()
    metrics.gauge("marathon.apps.active.gauge", lambda: 12345678)
    metrics.timer("marathon.http.requests.get.timer.seconds").add(0.5)
    document = metrics.document()
    assert document["counters"] == {"marathon.tasks.launched.counter": {"count": 4}}
    assert document["gauges"] == {"marathon.apps.active.gauge": {"value": 12345678}}
    assert document["timers"]["marathon.http.requests.get.timer.seconds"]["p99"] == 0.5
    assert metrics.prometheus().splitlines()[:4] == [
        "# TYPE marathon_apps_active_gauge gauge",
        "marathon_apps_active_gauge 12345678",
        "# TYPE marathon_tasks_launched_counter counter",
        "marathon_tasks_launched_counter 4",
    ]
    assert "marathon_http_requests_get_timer_seconds_count 1" in metrics.prometheus()


def test_quantiles_are_of_the_last_samples() -> None:
    timer = Metrics().timer("t")
    assert timer.quantiles()["p50"] == 0.0
    for number in range(3 * SAMPLES):
        timer.add(number)
    assert timer.count == 3 * SAMPLES
    assert 2 * SAMPLES < timer.quantiles()["p50"] < 3 * SAMPLES


def test_a_block_that_fails_is_measured_too() -> None:
    timer = Metrics().timer("t")
    with pytest.raises(KeyError), timer.measured():
        {}["missing"]
    assert timer.count == 1
