"""The HTTP server: who asks, whether it is for us, whose it is, and what becomes of errors."""

from __future__ import annotations

import logging
import time
from typing import Any

from aiohttp import ClientConnectionResetError, hdrs, web

from services.scheduler.api import answers, auth, routes
from services.scheduler.api.answers import COMPRESS, HEADERS, Refusal
from services.scheduler.api.context import Context
from services.scheduler.api.proxy import LEADER, Proxy
from services.scheduler.definitions.errors import InvalidDefinition
from services.scheduler.deployments.manager import DeploymentRefused, Locked, TooManyDeployments
from services.scheduler.storage.connection import SessionLostError
from services.scheduler.storage.writer import FencedError, StorageError, TooLargeError

log = logging.getLogger(__name__)

MOST_BODY = 64 * 1024 * 1024  # bytes of a request
COMPRESS_FROM = 1_024  # bytes of an answer
NO_CACHE: dict[str, str] = {
    hdrs.CACHE_CONTROL: "no-cache, no-store, must-revalidate",
    hdrs.PRAGMA: "no-cache",
    hdrs.EXPIRES: "0",
}


class Server:
    """Listens from `start` to `stop`, leading or not."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._proxy = Proxy(context)
        self._active = 0
        application = web.Application(client_max_size=MOST_BODY)
        application.router.add_route("*", "/{path:.*}", self.handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=3.0)
        context.metrics.gauge("marathon.http.requests.active.gauge", lambda: self._active)

    async def start(self) -> None:
        """Raises OSError when the address cannot be bound."""
        await self._runner.setup()
        settings = self._context.settings
        await web.TCPSite(self._runner, settings.http_address, settings.http_port).start()

    async def stop(self) -> None:
        """Ends all connections, after a moment for what is being answered."""
        await self._runner.cleanup()
        await self._proxy.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request, whatever it is."""
        begun = time.monotonic()
        self._active += 1
        headers: dict[str, str] = {**NO_CACHE, **self._allowed_origin(request)}
        request[HEADERS] = headers
        request[COMPRESS] = self._context.settings.http_compression
        try:
            response = await self._answer(request)
        except Exception as error:
            response = self._refused(request, error)
        finally:
            self._active -= 1
        if not response.prepared:
            for name, value in headers.items():
                response.headers.setdefault(name, value)
            self._compress(request, response)
        self._count(request, response.status, time.monotonic() - begun)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        context = self._context
        maximum = context.settings.http_max_concurrent_requests
        if maximum is not None and self._active > maximum:
            raise Refusal(503, "Too many concurrent requests")
        if request.method == hdrs.METH_OPTIONS:
            return _options(request)
        auth.check(request, context.logins, context.settings.http_realm)
        if request.path.startswith("/v2/"):
            leader = await self._proxy.leader()
            if leader is not None:
                return await self._proxy.forward(request, leader)
            request[HEADERS][LEADER] = f"http://{context.settings.own_address}"
        handler, named = routes.find(request.method, request.path)
        return await handler(context, request, **named)

    def _refused(self, request: web.Request, error: Exception) -> web.StreamResponse:
        """The answer to what went wrong."""
        headers: dict[str, str] = {}
        body: dict[str, Any] = {"message": str(error)}
        match error:
            case Refusal():
                status, body, headers = error.status, error.body, error.headers
            case InvalidDefinition():
                status, body = error.status, error.body
            case Locked():
                status, body = 409, {**body, "deployments": [{"id": each} for each in error.deployments]}
            case DeploymentRefused():
                status = 403 if isinstance(error, TooManyDeployments) else 404
            case web.HTTPException():
                status, body = error.status, {"message": error.reason}
            case TooLargeError():
                status = 422
            case FencedError() | SessionLostError() | StorageError():
                log.error("%s %s: %s", request.method, request.path, error)
                status, body = 503, {"message": f"The change was not stored: {error}"}
            case ClientConnectionResetError():  # it gets no answer
                log.debug("%s %s: the client has gone away", request.method, request.path)
                status = 499
            case _:
                log.error("%s %s", request.method, request.path, exc_info=error)
                status, body = 500, {"message": f"Internal error: {type(error).__name__}, see the log"}
        return answers.document(body, status, headers)

    def _allowed_origin(self, request: web.Request) -> dict[str, str]:
        allowed = self._context.settings.access_control_allow_origin
        origin = request.headers.get(hdrs.ORIGIN)
        if "*" in allowed:
            return {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
        if origin is not None and origin in allowed:
            return {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin, hdrs.VARY: hdrs.ORIGIN}
        return {}

    def _compress(self, request: web.Request, response: web.StreamResponse) -> None:
        body = response.body if isinstance(response, web.Response) else None
        if request[COMPRESS] and isinstance(body, bytes) and len(body) >= COMPRESS_FROM:
            response.enable_compression()

    def _count(self, request: web.Request, status: int, seconds: float) -> None:
        metrics = self._context.metrics
        metrics.counter(f"marathon.http.responses.{status // 100}xx.counter").add()
        if request.path != "/v2/events":
            metrics.timer(f"marathon.http.requests.{request.method.lower()}.timer.seconds").add(seconds)


def _options(request: web.Request) -> web.Response:
    """What may be done with a path; also the answer to a browser that asks before it does."""
    methods = []
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        try:
            routes.find(method, request.path)
        except Refusal as refusal:
            if refusal.status == 404:
                raise
        else:
            methods.append(method)
    allowed = ", ".join([*methods, "HEAD", "OPTIONS"])
    return web.Response(
        headers={
            "Allow": allowed,
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: allowed,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type, Accept",
            hdrs.ACCESS_CONTROL_MAX_AGE: "86400",
        }
    )
