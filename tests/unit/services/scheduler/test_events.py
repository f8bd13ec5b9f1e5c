from __future__ import annotations

import asyncio

import orjson
import pytest

from services.scheduler.events import Event, EventBus, Subscription


def drain(subscription: Subscription) -> list[str]:
    async def read() -> list[str]:
        return [event.type async for event in subscription]

    return asyncio.run(read())


def test_document_ends_with_type_and_time() -> None:
    bus = EventBus()
    seen: list[Event] = []
    bus.listen(seen.append)
    bus.publish("deployment_success", id="d1")
    document = orjson.loads(seen[0].data)
    assert list(document) == ["id", "eventType", "timestamp"]
    assert document["eventType"] == "deployment_success"


@pytest.mark.parametrize(
    ("types", "expected"),
    [((), ["a", "b", "a"]), (("a",), ["a", "a"]), (("b", "c"), ["b"]), (("c",), [])],
)
def test_filter(types: tuple[str, ...], expected: list[str]) -> None:
    bus = EventBus()
    subscription = bus.subscribe(types)
    for name in ("a", "b", "a"):
        bus.publish(name)
    subscription.close()
    assert drain(subscription) == expected


def test_a_slow_subscriber_is_dropped_and_others_are_not() -> None:
    bus = EventBus()
    slow, other = bus.subscribe(limit=2), bus.subscribe()
    for number in range(4):
        bus.publish("a", number=number)
    assert slow.dropped
    assert slow.closed
    assert bus.subscribers == 1
    assert drain(slow) == []
    bus.close()
    assert drain(other) == ["a"] * 4


def test_next_gives_none_after_its_time() -> None:
    async def scenario() -> None:
        bus = EventBus()
        subscription = bus.subscribe()
        assert await subscription.next(timeout=0.01) is None
        bus.publish("a")
        event = await subscription.next(timeout=1)
        assert event is not None
        assert event.type == "a"
        bus.close()
        with pytest.raises(StopAsyncIteration):
            await subscription.next()

    asyncio.run(scenario())


def test_a_waiting_reader_is_woken() -> None:
    async def scenario() -> None:
        bus = EventBus()
        subscription = bus.subscribe()
        reader = asyncio.create_task(subscription.next())
        await asyncio.sleep(0)
        bus.publish("a")
        event = await asyncio.wait_for(reader, 1)
        assert event is not None

    asyncio.run(scenario())
