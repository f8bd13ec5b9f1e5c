"""Events of the stream as documents; offers of thousands of agents, which come in one event, piece by piece."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from services.scheduler.instances.pace import Pace

_LARGE = 256 * 1024  # bytes; what is shorter is read within two milliseconds
_OFFERS = re.compile(rb'\{"type":"OFFERS","offers":\{"offers":\[(?=\{)')  # as Mesos writes it
_DECODER = json.JSONDecoder()


async def decode(record: bytes, pace: Pace) -> dict[str, Any]:
    """The event; others have their turn between the offers of a large one. Raises ValueError on what is no JSON."""
    beginning = _OFFERS.match(record) if len(record) >= _LARGE else None
    if beginning is None:
        return dict(orjson.loads(record))
    text, index = record.decode(), beginning.end()
    offers = []
    while True:
        offer, index = _DECODER.raw_decode(text, index)
        offers.append(offer)
        await pace.turn()
        if text[index : index + 1] != ",":
            break
        index += 1
    event: dict[str, Any] = orjson.loads(beginning[0] + text[index:].encode())  # without the offers
    event["offers"]["offers"] = offers
    return event
