"""What waits for offers."""

from __future__ import annotations

import pytest
from unit.services.scheduler.instances.recording import make_app

from services.scheduler.launching.queue import LaunchQueue


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_counts() -> None:
    queue, web = LaunchQueue(), make_app()
    queue.add(web, 2)
    queue.add(web)
    assert queue.count("/web") == 3
    queue.taken("/web")
    assert queue.count("/web") == 2
    queue.set(web, 5)
    assert queue.count("/web") == 5
    queue.taken("/web", 5)
    assert queue.get("/web") is None
    queue.taken("/web")
    queue.set(web, 1)
    queue.set(web, 0)
    assert list(queue.items()) == []


def test_a_newer_version_takes_the_place_of_the_older() -> None:
    queue = LaunchQueue()
    queue.add(make_app(), 2)
    newer = make_app(version="2026-02-01T00:00:00.000Z")
    queue.add(newer)
    (item,) = queue.items()
    assert (item.app, item.count) == (newer, 3)


def test_those_that_failed_wait() -> None:
    clock = Clock()
    queue = LaunchQueue(clock)
    web, api = make_app(backoff_seconds=4.0), make_app("/api")
    queue.failed(web)
    queue.add(web)
    queue.add(api)
    assert [item.app.id for item in queue.ready()] == ["/api"]
    assert queue.next_ready() == 4.0
    clock.now += 3
    assert queue.delay_until(web) == 1.0
    clock.now += 1
    assert [item.app.id for item in queue.ready()] == ["/web", "/api"]
    assert queue.next_ready() is None
    assert queue.delay_until(web) == 0.0


def test_the_delay_outlives_the_waiting_and_can_be_reset() -> None:
    queue, web = LaunchQueue(Clock()), make_app()
    queue.add(web)
    queue.failed(web)
    queue.purge("/web")
    queue.add(web)
    assert queue.ready() == []
    queue.reset_delay("/web")
    assert len(queue.ready()) == 1


TELLING = {
    "add": lambda queue, app: queue.add(app),
    "set": lambda queue, app: queue.set(app, 7),
    "purge": lambda queue, app: queue.purge("/web"),
    "failed": lambda queue, app: queue.failed(app),
}


@pytest.mark.parametrize("change", TELLING.values(), ids=TELLING)
def test_listeners(change: object) -> None:
    queue, calls = LaunchQueue(), []
    queue.add(make_app())
    queue.listen(lambda: calls.append(1))
    change(queue, make_app())  # type: ignore[operator]
    assert calls == [1]
