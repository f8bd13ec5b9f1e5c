"""The router over HTTP: Bamboo's calls with its status codes and texts, and what Bamboo had not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from services.router.api import auth, documents, metrics
from services.router.router import Router
from services.router.rules.acl import RuleError
from services.router.rules.codec import Rule, app_id
from services.router.rules.store import StoreError

ROUTER: web.AppKey[Router] = web.AppKey("router", Router)
NOT_JSON = "Unable to decode JSON request"
EMPTY_ID = "can not use empty ID"


class RequestError(Exception):
    """Answered as 400 with the text, as Bamboo does with whatever goes wrong."""


def application(router: Router) -> web.Application:
    """The HTTP application. Raises SettingsError for a credentials file that cannot be used."""
    path = router.settings.api_credentials_file
    middlewares = [auth.middleware(auth.load(path))] if path else []
    app = web.Application(middlewares=[*middlewares, errors], client_max_size=1024 * 1024)
    app[ROUTER] = router
    app.add_routes(
        [
            web.get("/status", status),
            web.get("/api/state", state),
            web.get("/api/services", services),
            web.post("/api/services", save),
            web.put("/api/services/{id:.*}", save),
            web.delete("/api/services/{id:.*}", delete),
            web.post("/api/marathon/event_callback", callback),
            web.get("/api/problems", problems),
            web.get("/api/routes", routes),
            web.get("/healthz", healthz),
            web.get("/metrics", measured),
        ]
    )
    return app


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What is wrong with a request, as text."""
    try:
        return await handler(request)
    except (RequestError, RuleError, StoreError) as error:
        return web.Response(status=400, text=str(error))


async def status(_request: web.Request) -> web.Response:
    return web.Response(text="OK")


async def state(request: web.Request) -> web.Response:
    router = request.app[ROUTER]
    apps = router.watcher.apps if router.watcher.read_at is not None else None
    return _json(documents.state(apps, router.store.rules))


async def services(request: web.Request) -> web.Response:
    return _json(documents.services(request.app[ROUTER].store.rules))


async def save(request: web.Request) -> web.Response:
    """Create or replace; the id of the body counts."""
    router = request.app[ROUTER]
    rule = rule_of(_decoded(await request.read()))
    await router.check_rule(rule.acl, rule.app)
    await router.store.save(rule)
    return _json(rule.document())


async def delete(request: web.Request) -> web.Response:
    identity = request.match_info["id"]
    if not identity:
        raise RequestError(EMPTY_ID)
    await request.app[ROUTER].store.delete(app_id(identity))
    return _json({})


async def callback(request: web.Request) -> web.Response:
    """Marathon's old callbacks: whatever they say, something changed."""
    _decoded(await request.read())
    request.app[ROUTER].watcher.notice()
    return web.Response(text="Got it!")


async def problems(request: web.Request) -> web.Response:
    """What is wrong with which application; nothing of it stops the others."""
    return _json({"problems": [asdict(problem) for problem in request.app[ROUTER].problems()]})


async def routes(request: web.Request) -> web.Response:
    """By application: how it is reached, and which tasks serve it."""
    made = request.app[ROUTER].routes
    answer: dict[str, Any] = {}
    for backend in made.wanted.backends.values() if made else ():
        entry = answer.setdefault(
            backend.app, {"routes": made.names.get(backend.app, []) if made else [], "backends": {}}
        )
        entry["backends"][backend.name] = [
            {"task": server.task, "address": f"{server.address}:{server.port}"} for server in backend.servers
        ]
    return _json(answer)


async def healthz(request: web.Request) -> web.Response:
    """200 when HAProxy runs what is wanted, else 503; the document says more."""
    health = request.app[ROUTER].health()
    return _json(health, status=200 if health["applied"] else 503)


async def measured(request: web.Request) -> web.Response:
    return web.Response(body=metrics.text(request.app[ROUTER]).encode(), headers={"Content-Type": metrics.CONTENT_TYPE})


def rule_of(document: Any) -> Rule:
    """The rule of a request's body; field names in any case. Raises RequestError."""
    if not isinstance(document, dict):
        raise RequestError(NOT_JSON)
    fields = {key.lower(): value for key, value in document.items()}
    identity, text, config = fields.get("id") or "", fields.get("acl") or "", fields.get("config") or {}
    if not isinstance(identity, str) or not isinstance(text, str) or not isinstance(config, dict):
        raise RequestError(NOT_JSON)
    if not all(isinstance(value, str) for value in config.values()):
        raise RequestError(NOT_JSON)
    if not identity:
        raise RequestError(EMPTY_ID)
    return Rule(app_id(identity), {**config, "Acl": text} if text else config)


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise RequestError(NOT_JSON) from error


def _json(document: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")
