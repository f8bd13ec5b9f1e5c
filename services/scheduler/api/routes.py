"""Which path and method is whose. Ids have slashes: what follows an id is looked for first, as Marathon does."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from services.scheduler.api import (
    app,
    app_tasks,
    app_versions,
    apps,
    deployments,
    events,
    groups,
    info,
    leader,
    queue,
    system,
    tasks,
    unsupported,
)
from services.scheduler.api.answers import Refusal

Handler = Callable[..., Awaitable[web.StreamResponse]]

_ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PATHS: tuple[tuple[str, Mapping[str, Handler]], ...] = (
    (r"/ping", {"GET": system.ping}),
    (r"/metrics", {"GET": system.metrics}),
    (r"/metrics/prometheus", {"GET": system.prometheus}),
    (r"/logging", {"GET": system.loggers}),
    (r"/v2/apps", {"GET": apps.get, "POST": apps.post, "PUT": apps.put, "PATCH": apps.patch}),
    (r"/v2/apps/(?P<name>.+)/restart", {"POST": app.restart}),
    (r"/v2/apps/(?P<name>.+)/tasks", {"GET": app_tasks.get, "DELETE": app_tasks.delete}),
    (r"/v2/apps/(?P<name>.+)/tasks/(?P<task>[^/]+)", {"DELETE": app_tasks.delete_one}),
    (r"/v2/apps/(?P<name>.+)/versions", {"GET": app_versions.get}),
    (r"/v2/apps/(?P<name>.+)/versions/(?P<version>[^/]+)", {"GET": app_versions.get_one}),
    (r"/v2/apps/(?P<name>.+)", {"GET": app.get, "PUT": app.put, "PATCH": app.patch, "DELETE": app.delete}),
    (
        r"/v2/groups(?:/+)?",
        {"GET": groups.get, "POST": groups.post, "PUT": groups.put, "DELETE": groups.delete},
    ),
    (
        r"/v2/groups/(?P<name>.+)",
        {
            "GET": groups.get,
            "POST": groups.post,
            "PUT": groups.put,
            "PATCH": groups.patch,
            "DELETE": groups.delete,
        },
    ),
    (r"/v2/tasks", {"GET": tasks.get}),
    (r"/v2/tasks/delete", {"POST": tasks.delete}),
    (r"/v2/deployments", {"GET": deployments.get}),
    (r"/v2/deployments/(?P<deployment>[^/]+)", {"DELETE": deployments.delete}),
    (r"/v2/queue", {"GET": queue.get}),
    (r"/v2/queue/(?P<name>.+)/delay", {"DELETE": queue.delete_delay}),
    (r"/v2/info", {"GET": info.get}),
    (r"/v2/leader", {"GET": leader.get, "DELETE": leader.delete}),
    (r"/v2/events", {"GET": events.get}),
    (r"/v2/plugins", {"GET": system.plugins}),
    *((rf"/v2/{name}(?:/.*)?", dict.fromkeys(_ANY, unsupported.refusal(name))) for name in unsupported.WHY),
)
ROUTES = tuple((re.compile(pattern), handlers) for pattern, handlers in _PATHS)


def find(method: str, path: str) -> tuple[Handler, dict[str, str]]:
    """The handler and what the path names. Raises Refusal: 404 for the path, 405 for the method."""
    path = path.rstrip("/") or "/"
    for pattern, handlers in ROUTES:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        handler = handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            refusal = Refusal(405, "Method Not Allowed")
            refusal.headers["Allow"] = ", ".join(handlers)
            raise refusal
        return handler, {key: value for key, value in match.groupdict().items() if value}
    raise Refusal(404, f"URI not found: {path}")
