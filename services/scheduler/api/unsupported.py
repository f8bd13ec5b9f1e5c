"""Resources of Marathon that are not here: a precise answer, instead of one that looks like a wrong address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from services.scheduler.api.answers import Refusal
from services.scheduler.api.context import Context

Handler = Callable[..., Awaitable[web.StreamResponse]]

WHY = {
    "pods": "Pods are not supported: run the containers as applications.",
    "secrets": "Secrets are not supported: hand them to tasks by files on the agents.",
    "eventSubscriptions": "Event subscriptions by callback were removed in Marathon 1.5: use /v2/events.",
    "artifacts": "The artifact store was removed in Marathon 1.5: use 'fetch' with a URI that agents can reach.",
    "schemas": "The JSON schemas were removed in Marathon 1.8.",
}


def refusal(resource: str) -> Handler:
    """A handler that says why there is no such resource."""

    async def handler(_context: Context, _request: web.Request, **_: str) -> web.StreamResponse:
        raise Refusal(404, WHY[resource])

    return handler
