"""When Mesos is told that offers are wanted."""

from __future__ import annotations

import asyncio

from unit.services.scheduler.instances.recording import RecordingMesos, make_app

from services.scheduler.launching.demand import Demand
from services.scheduler.launching.queue import Item


class Parts:
    def __init__(self) -> None:
        self.now = 100.0
        self.mesos = RecordingMesos()
        self.demand = Demand(self.mesos, revive_interval=5.0, now=lambda: self.now)

    def tell(self, **counts: int) -> tuple[list[tuple[object, ...]], float | None]:
        """The calls for these applications and how many of each are wanted, and when to tell again."""
        self.mesos.calls.clear()
        ready = [Item(make_app(f"/{name}", role="dev" if name == "dev" else "*"), n, "") for name, n in counts.items()]
        again = asyncio.run(self.demand.tell(ready))
        return self.mesos.calls, again


def test_suppressed_when_nothing_is_wanted() -> None:
    parts = Parts()
    assert parts.tell() == ([("suppress", ["*"])], None)
    assert parts.tell() == ([], None), "it is told once"


def test_revived_at_once_from_suppression() -> None:
    parts = Parts()
    parts.tell()
    assert parts.tell(web=1) == ([("revive", ["*"])], None)
    parts.tell()
    assert parts.tell(web=1) == ([("revive", ["*"])], None), "no interval has to pass"


def test_revived_for_more_but_not_all_the_time() -> None:
    parts = Parts()
    assert parts.tell(web=1) == ([("revive", ["*"])], None)
    assert parts.tell(web=1) == ([], None), "offers that did not fit are not asked for again"
    parts.now += 1
    assert parts.tell(web=1, api=1) == ([], 4.0)
    parts.now += 4
    assert parts.tell(web=1, api=1) == ([("revive", ["*"])], None)
    parts.now += 6
    assert parts.tell(web=3, api=1) == ([("revive", ["*"])], None)
    parts.now += 6
    assert parts.tell(web=2, api=1) == ([], None), "less is wanted"


def test_what_was_put_off_is_dropped_when_it_is_wanted_no_more() -> None:
    parts = Parts()
    parts.tell(web=1)
    assert parts.tell(web=2) == ([], 5.0)
    assert parts.tell() == ([("suppress", ["*"])], None)


def test_roles() -> None:
    parts = Parts()
    assert parts.tell(dev=1)[0] == [("add_roles", ["dev"]), ("suppress", ["*"]), ("revive", ["dev"])]
    assert parts.tell(dev=1, web=1)[0] == [("revive", ["*"])]


def test_a_new_subscription_lifts_filters() -> None:
    parts = Parts()
    parts.tell(web=1)
    parts.demand.forget()
    assert parts.tell(web=1)[0] == [("revive", ["*"])]
