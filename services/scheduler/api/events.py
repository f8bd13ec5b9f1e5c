"""/v2/events: what happens, as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from aiohttp import hdrs, web

from services.scheduler.api.answers import HEADERS, Refusal
from services.scheduler.api.context import Context
from services.scheduler.events import Event, Subscription

log = logging.getLogger(__name__)

WRITE_SECONDS = 30.0  # for a client to take what is sent
KEEP_ALIVE = 5.0  # s without an event until an empty line tells that we are there


async def get(context: Context, request: web.Request) -> web.StreamResponse:
    """All events, or those of the given `event_type`s; ends when the leadership does, or the client is too slow."""
    accepted = request.headers.get(hdrs.ACCEPT, "*/*")
    if not any(kind in accepted for kind in ("text/event-stream", "text/*", "*/*")):
        raise Refusal(406, "Ask for text/event-stream.")
    bus = context.core.bus
    remote = request.remote or ""
    types = frozenset(request.query.getall("event_type", []))
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-cache"})
    response.headers.update(request[HEADERS])
    streams = context.metrics.counter("marathon.http.event-streams.attached.counter")
    bytes_sent = context.metrics.counter("marathon.http.event-streams.responses.size.counter.bytes")
    streams.add()
    subscription = bus.subscribe(types)  # before the headers: whoever has them reads the state, then relies on events
    bus.publish("event_stream_attached", remoteAddress=remote)
    try:
        await response.prepare(request)
        while (text := await _next(subscription)) is not None:
            async with asyncio.timeout(WRITE_SECONDS):
                await response.write(text)
            bytes_sent.add(len(text))
    except TimeoutError:
        subscription.dropped = True
    except ConnectionError:
        log.debug("event stream of %s: the client is gone", remote)
    finally:
        subscription.close()
        bus.publish("event_stream_detached", remoteAddress=remote)
        if subscription.dropped:
            log.warning("event stream of %s: dropped, the client is too slow", remote)
            context.metrics.counter("marathon.http.event-streams.dropped.counter").add()
            if request.transport is not None:
                request.transport.abort()
    return response


async def _next(subscription: Subscription) -> bytes | None:
    """The next event as text, an empty line after a while without one; None at the end."""
    with contextlib.suppress(StopAsyncIteration):
        event = await subscription.next(KEEP_ALIVE)
        return b"\r\n" if event is None else encode(event)
    return None


def encode(event: Event) -> bytes:
    """`event:` and `data:` lines, and the empty one after them."""
    return b"event: %s\r\ndata: %s\r\n\r\n" % (event.type.encode(), event.data)
