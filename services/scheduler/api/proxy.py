"""What a standby does with requests: hands them to the leader, and its answers back."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict

from services.scheduler.api.answers import Refusal
from services.scheduler.api.context import Context, Leadership

log = logging.getLogger(__name__)

VIA = "X-Marathon-Via"
LEADER = "X-Marathon-Leader"
FORWARDED_FOR = "X-Forwarded-For"
CHANGEOVER = 2.5  # s that a request waits for a leader to be known
_HOP_BY_HOP = frozenset(
    name.lower()
    for name in (
        hdrs.HOST,
        hdrs.CONNECTION,
        hdrs.KEEP_ALIVE,
        hdrs.TRANSFER_ENCODING,
        hdrs.CONTENT_LENGTH,
        hdrs.UPGRADE,
        hdrs.TE,
        hdrs.TRAILER,
        hdrs.EXPECT,
    )
)
_OURS = frozenset({"date", "server"})  # made anew for every answer


class Proxy:
    """Keeps connections to the leader."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._own = context.settings.own_address
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Ends the connections."""
        if self._session is not None:
            await self._session.close()

    async def leader(self) -> str | None:
        """host:port of another scheduler that leads; None: it is us. Raises Refusal (503) if nobody does."""
        leadership: Leadership = self._context.leadership
        deadline = asyncio.get_running_loop().time() + CHANGEOVER
        while not self._context.leads:
            if leadership.leader not in (None, self._own):
                return leadership.leader
            if asyncio.get_running_loop().time() > deadline:
                raise Refusal(503, "Could not determine the current leader")
            await asyncio.sleep(0.05)
        return None

    async def forward(self, request: web.Request, leader: str) -> web.StreamResponse:
        """The leader's answer. Raises Refusal: 502 and 504."""
        via = f"1.1 {self._own}"
        if via in request.headers.getall(VIA, []):
            raise Refusal(502, "Detected proxying loop.")
        url = f"http://{leader}{request.raw_path}"
        if request.path == "/v2/events":
            # A stream is not handed through: the client goes to the leader itself.
            location = {hdrs.LOCATION: url, LEADER: f"http://{leader}"}
            return web.Response(status=302, headers=location)
        headers = CIMultiDict((key, value) for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP)
        headers.add(VIA, via)
        headers[FORWARDED_FOR] = ",".join(filter(None, (request.headers.get(FORWARDED_FOR), request.remote)))
        body = await request.read()
        try:
            async with self._connect().request(
                request.method, url, headers=headers, data=body or None, allow_redirects=False
            ) as answer:
                return await self._pass_on(request, answer, via)
        except aiohttp.ServerTimeoutError as error:
            raise Refusal(504, "Connection to leader timed out.") from error
        except aiohttp.ClientConnectorError as error:
            raise Refusal(502, "Connection to leader refused.") from error
        except (aiohttp.ClientError, OSError) as error:
            log.warning("%s %s at the leader %s: %s", request.method, request.path, leader, error)
            raise Refusal(502, "Failed to successfully establish a connection to the leader.") from error

    async def _pass_on(self, request: web.Request, answer: aiohttp.ClientResponse, via: str) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for key, value in answer.headers.items():
            if key.lower() not in _HOP_BY_HOP | _OURS:
                response.headers.add(key, value)
        response.headers.add(VIA, via)
        if hdrs.CONTENT_LENGTH in answer.headers:
            response.content_length = int(answer.headers[hdrs.CONTENT_LENGTH])
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
        await response.write_eof()
        return response

    def _connect(self) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self._context.settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=settings.leader_proxy_max_open_connections),
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    sock_connect=settings.leader_proxy_connection_timeout / 1000,
                    sock_read=settings.leader_proxy_read_timeout / 1000,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session
