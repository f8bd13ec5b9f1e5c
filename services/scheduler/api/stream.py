"""Long JSON answers, made and sent in pieces: whoever else waits for the loop gets it in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from aiohttp import hdrs, web

from services.scheduler.api.answers import COMPRESS, HEADERS, JSON

PIECE = 64 * 1024  # bytes sent at once
SLICE = 0.005  # s without a break


async def send(request: web.Request, prefix: bytes, items: Iterable[bytes], suffix: bytes) -> web.StreamResponse:
    """`prefix`, the items with commas between, `suffix`. Short answers go in one piece, with their length."""
    waiting = bytearray(prefix)
    response: web.StreamResponse | None = None
    begun = time.monotonic()
    first = True
    for item in items:
        if not first:
            waiting += b","
        first = False
        waiting += item
        if len(waiting) >= PIECE:
            response = response or await _begin(request)
            await response.write(bytes(waiting))
            waiting.clear()
        if time.monotonic() - begun > SLICE:
            await asyncio.sleep(0)
            begun = time.monotonic()
    waiting += suffix
    if response is None:
        return web.Response(body=bytes(waiting), content_type=JSON)
    await response.write(bytes(waiting))
    await response.write_eof()
    return response


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: JSON})
    response.headers.update(request[HEADERS])  # what middlewares would add when it is too late
    if request[COMPRESS]:
        response.enable_compression()
    await response.prepare(request)
    return response
