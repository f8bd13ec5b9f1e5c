"""Large events are the same as small ones, and do not hold up the loop."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from services.scheduler.instances import pace
from services.scheduler.instances.pace import Pace
from services.scheduler.mesos import events


def offers(count: int) -> list[dict[str, Any]]:
    return [
        {"id": {"value": f"o-{n}"}, "hostname": "h\u00e4", "resources": [{"scalar": {"value": n / 4}}]}
        for n in range(count)
    ]


LONG = "x" * 1000
EVENTS: dict[str, Any] = {
    "small": {"type": "HEARTBEAT"},
    "offers": {"type": "OFFERS", "offers": {"offers": offers(100)}},
    "offers and more": {"type": "OFFERS", "offers": {"offers": offers(100), "inverse_offers": [{"a": "\u00fc]}"}]}},
    "other order": {"offers": {"offers": offers(100)}, "type": "OFFERS"},
    "none": {"type": "OFFERS", "offers": {"offers": [], "inverse_offers": [{"a": LONG}]}},
    "other event": {"type": "UPDATE", "update": {"status": {"message": LONG}}},
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@pytest.mark.parametrize("indent", [0, orjson.OPT_INDENT_2], ids=["compact", "spaced"])
def test_read_whole(event: Any, indent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LARGE", 1000)
    assert asyncio.run(events.decode(orjson.dumps(event, option=indent), Pace())) == event


@pytest.mark.parametrize("end", [b"", b",", b"]", b"]}", b"]}}}", b",5x]}}"])
def test_broken(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LARGE", 1)
    with pytest.raises(ValueError):
        asyncio.run(events.decode(b'{"type":"OFFERS","offers":{"offers":[{"id":1}' + end, Pace()))


def test_the_loop_is_free_between_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LARGE", 1000)
    monkeypatch.setattr(pace, "TURN", 0.0)

    async def run() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counter = asyncio.create_task(count())
        await events.decode(orjson.dumps(EVENTS["offers"]), Pace())
        counter.cancel()
        assert turns >= 50

    asyncio.run(run())
