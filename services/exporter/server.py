"""The exporter's own HTTP server, over TLS: /metrics, a path per relay, and /healthz for everybody."""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp
from aiohttp import web

from services.exporter import client
from services.exporter.figures import CONTENT_TYPE, Figures
from services.exporter.settings import Endpoint, Settings, secret
from services.exporter.sources import (
    certificates,
    containers,
    elasticsearch,
    host,
    log_index,
    log_shipper,
    mesos,
    snapshots,
    zookeeper,
)

log = logging.getLogger("services.exporter")
_UP = "1 when this part of the node gave its figures"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
Source = Callable[[Figures], Awaitable[None]]


def application(settings: Settings) -> web.Application:
    """Everything but /healthz asks for the login."""
    login = "Basic " + base64.b64encode(secret(settings.login_file).encode()).decode()

    @web.middleware
    async def allowed(
        request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        said = request.headers.get("Authorization", "")
        if request.path != "/healthz" and not hmac.compare_digest(said.encode(), login.encode()):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="utopia-exporter"'})
        return await handler(request)

    app = web.Application(middlewares=[allowed])
    app.router.add_get("/healthz", _healthy)
    app.router.add_get("/metrics", _metrics(sources(settings), settings.statistics))
    for name, endpoint in settings.relays.items():
        app.router.add_get(f"/{name}", _relay(name, endpoint))
    return app


def sources(settings: Settings) -> Mapping[str, Source]:
    """What is asked on this node, by the name under which it is told to be up."""
    found: dict[str, Source] = {}
    for name, endpoint in settings.mesos.items():
        found[f"mesos-{name}"] = lambda figures, endpoint=endpoint: mesos.collect(figures, endpoint)  # type: ignore[misc]
    if settings.docker_socket or "agent" in settings.mesos:
        totals, agent = containers.Totals(), settings.mesos.get("agent")
        found["containers"] = lambda figures: containers.collect(figures, totals, agent, settings.docker_socket)
    if settings.zookeeper:
        found["zookeeper"] = lambda figures: zookeeper.collect(figures, settings.zookeeper)
    if member := settings.elasticsearch:
        found["elasticsearch"] = lambda figures: elasticsearch.collect(figures, member)
    if repository := settings.snapshots:
        taken = snapshots.Snapshots()
        found["snapshots"] = lambda figures: taken.collect(figures, repository)
    if index := settings.log_index:
        found["log-index"] = lambda figures: log_index.collect(figures, index)
    if program := settings.log_shipper:
        found["log-shipper"] = lambda figures: log_shipper.collect(figures, program)
    if settings.tls_ports:
        found["certificates"] = lambda figures: certificates.collect(figures, settings.tls_ports, settings.tls_ca)
    if settings.units:
        found["units"] = host.failed_units
    found["own-name"] = lambda figures: host.own_name(figures, settings.address[0])
    if settings.markers:

        async def markers(figures: Figures) -> None:
            host.markers(figures, settings.markers)

        found["markers"] = markers
    return found


async def gather(wanted: Mapping[str, Source]) -> Figures:
    """All at once. What does not answer costs its own figures and no other's."""
    figures = Figures()
    for name, error in zip(wanted, await asyncio.gather(*(_try(s, figures) for s in wanted.values())), strict=True):
        figures.gauge("utopia_part_up", _UP, float(error is None), {"part": name})
        if error:
            log.warning("%s: %s", name, error)
    return figures


async def _try(source: Source, figures: Figures) -> str | None:
    own = Figures()
    try:
        await source(own)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
        return str(error) or type(error).__name__
    figures.take(own)
    return None


def _metrics(wanted: Mapping[str, Source], files: tuple[str, ...]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        body = (await gather(wanted)).text()
        for path in files:
            body += _file(Path(path))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    return answer


def _file(path: Path) -> bytes:
    """Figures that another program wrote; none where it has not yet."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _relay(name: str, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        try:
            body = await client.get(endpoint)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            log.warning("/%s: %s", name, why)
            return web.Response(status=502, text=f"{why}\n")
        return web.Response(body=body, headers={"Content-Type": _TEXT})

    return answer


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="OK\n")
