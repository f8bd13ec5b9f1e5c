"""The bus of events: what `/v2/events` streams, in Marathon's shapes.

Publishing never waits. A subscriber that does not keep up is dropped: its iteration ends, and the client
connects and reads the state anew, as the API tells its clients to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from functools import cached_property
from typing import Any

import orjson

from services.scheduler import clock

DEFAULT_LIMIT = 10_000  # events held for one subscriber


class Event:
    """One event. `document` is what clients see; it ends with `eventType` and `timestamp`."""

    def __init__(self, event_type: str, fields: dict[str, Any]) -> None:
        self.type = event_type
        self.document = {**fields, "eventType": event_type, "timestamp": clock.now()}

    @cached_property
    def data(self) -> bytes:
        """The document as JSON, made once for all subscribers."""
        return orjson.dumps(self.document)


class Subscription:
    """An async iterator over events. `types` empty: all of them."""

    def __init__(self, bus: EventBus, types: Collection[str], limit: int) -> None:
        self._bus = bus
        self._types = frozenset(types)
        self._limit = limit
        self._waiting: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self.dropped = False  # it was too slow
        self.closed = False

    def offer(self, event: Event) -> None:
        """Takes an event of the wanted types; the one that finds the queue full ends the subscription."""
        if self._types and event.type not in self._types:
            return
        if len(self._waiting) >= self._limit:
            self.dropped = True
            self._waiting.clear()
            self.close()
            return
        self._waiting.append(event)
        self._arrived.set()

    def close(self) -> None:
        """Ends the iteration once what is queued is read."""
        self.closed = True
        self._bus.unsubscribe(self)
        self._arrived.set()

    async def next(self, timeout: float | None = None) -> Event | None:
        """The next event; None after `timeout` seconds without one. Raises StopAsyncIteration at the end."""
        if not self._waiting and not self.closed:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        if self._waiting:
            return self._waiting.popleft()
        raise StopAsyncIteration

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self.next()
        if event is None:  # only with a timeout
            raise StopAsyncIteration
        return event


class EventBus:
    """Hands each event to all subscriptions and, at once, to the listeners in this process."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._listeners: list[Callable[[Event], None]] = []

    @property
    def subscribers(self) -> int:
        """How many streams are attached."""
        return len(self._subscriptions)

    def publish(self, event_type: str, **fields: Any) -> None:
        """Tells everyone; costs nearly nothing when nobody listens."""
        if not self._subscriptions and not self._listeners:
            return
        event = Event(event_type, fields)
        for subscription in tuple(self._subscriptions):
            subscription.offer(event)
        for listener in self._listeners:
            listener(event)

    def subscribe(self, types: Collection[str] = (), limit: int = DEFAULT_LIMIT) -> Subscription:
        """A new stream of the given event types (none: all); to be closed by its reader."""
        subscription = Subscription(self, types, limit)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forgets a stream; harmless if it is gone already."""
        self._subscriptions.discard(subscription)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Calls `listener` with each event; it must be quick and must not raise."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Ends all streams: this scheduler leads no more."""
        for subscription in tuple(self._subscriptions):
            subscription.close()
