"""The instances that wait for an offer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from services.scheduler import clock
from services.scheduler.definitions.app import App
from services.scheduler.launching.backoff import Backoff
from services.scheduler.launching.offers_summary import OffersSummary


@dataclass(slots=True)
class Item:
    """An application with `count` instances to launch."""

    app: App
    count: int
    since: str  # when it came into the queue
    summary: OffersSummary = field(default_factory=OffersSummary)


class LaunchQueue:
    """What is wanted, by application; those that fail wait for their delay to end."""

    def __init__(self, now: Callable[[], float] = clock.monotonic) -> None:
        self._now = now
        self._items: dict[str, Item] = {}
        self._backoff = Backoff()
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls `listener` whenever more or other things are wanted, or sooner; it must be quick."""
        self._listeners.append(listener)

    def add(self, app: App, count: int = 1) -> None:
        """Want `count` more instances, all that wait in this version of the application."""
        self.set(app, self.count(app.id) + count)

    def set(self, app: App, count: int) -> None:
        """Want `count` instances more than there are; 0 ends the waiting."""
        item = self._items.get(app.id)
        if count <= 0:
            self.purge(app.id)
            return
        if item is None:
            self._items[app.id] = Item(app, count, clock.now())
        else:
            item.app, item.count = app, count
            item.summary.new_attempt()
        self._changed()

    def purge(self, app_id: str) -> None:
        """Want no more instances of an application; its delay stays."""
        if self._items.pop(app_id, None) is not None:
            self._changed()

    def taken(self, app_id: str, count: int = 1) -> None:
        """So many were placed."""
        item = self._items.get(app_id)
        if item is None:
            return
        item.count -= count
        item.summary.new_attempt()
        if item.count <= 0:
            del self._items[app_id]

    def get(self, app_id: str) -> Item | None:
        """The item of an application that waits."""
        return self._items.get(app_id)

    def count(self, app_id: str) -> int:
        """How many instances wait."""
        item = self._items.get(app_id)
        return item.count if item else 0

    def items(self) -> Collection[Item]:
        """All that waits, in the order in which it came."""
        return self._items.values()

    def ready(self) -> list[Item]:
        """What may be launched now."""
        now = self._now()
        return [item for item in self._items.values() if self._backoff.until(item.app, now) <= now]

    def next_ready(self) -> float | None:
        """Seconds until a delay ends; None if nothing waits for one."""
        now = self._now()
        waits = [until - now for item in self._items.values() if (until := self._backoff.until(item.app, now)) > now]
        return min(waits, default=None)

    def failed(self, app: App, *, ran: float = 0.0) -> None:
        """A task of this configuration failed after `ran` seconds: the next launch waits longer."""
        self._backoff.failed(app, self._now(), ran=ran)
        self._changed()

    def delay_until(self, app: App) -> float:
        """Seconds until the next launch is allowed; 0.0: now."""
        now = self._now()
        return self._backoff.until(app, now) - now

    def reset_delay(self, app_id: str) -> None:
        """The next launch waits no longer."""
        if self._backoff.reset(app_id):
            self._changed()

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()
