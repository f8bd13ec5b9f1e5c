"""/v2/queue: instances that wait for an offer, and why."""

from __future__ import annotations

import math
from typing import Any

import orjson
from aiohttp import web

from services.scheduler.api import queries, stream
from services.scheduler.api.answers import Refusal
from services.scheduler.api.context import Context
from services.scheduler.launching.queue import Item


async def get(context: Context, request: web.Request) -> web.StreamResponse:
    """What waits, for how long, and what became of the offers; `embed=lastUnusedOffers` shows these."""
    with_offers = "lastUnusedOffers" in request.query.getall("embed", [])
    queue = context.core.queue
    found = (_item(context, item, queue.delay_until(item.app), with_offers) for item in tuple(queue.items()))
    return await stream.send(request, b'{"queue":[', found, b"]}")


def _item(context: Context, item: Item, delay: float, with_offers: bool) -> bytes:
    # No `role` beside `app`, which has it: the public Python client does not know it there.
    document: dict[str, Any] = {
        "app": orjson.Fragment(context.fragments.app(item.app, ())),
        "count": item.count,
        "delay": {"timeLeftSeconds": max(0, math.ceil(delay)), "overdue": delay <= 0},
        "since": item.since,
        "processedOffersSummary": orjson.Fragment(item.summary.document()),
    }
    if with_offers:
        document["lastUnusedOffers"] = item.summary.unused_document()
    return orjson.dumps(document)


async def delete_delay(context: Context, _request: web.Request, name: str) -> web.StreamResponse:
    """The next launch waits no longer: 204."""
    app_id = queries.path_id(name)
    if context.core.queue.get(app_id) is None:
        raise Refusal(404, f"Application {app_id} not found in tasks queue.")
    context.core.queue.reset_delay(app_id)
    return web.Response(status=204)
