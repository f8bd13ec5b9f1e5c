"""/v2/apps: all applications at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aiohttp import web

from services.scheduler.api import answers, queries, stream
from services.scheduler.api.app import former_version, posted
from services.scheduler.api.changes import aside
from services.scheduler.api.context import Context
from services.scheduler.definitions import selectors
from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import not_valid
from services.scheduler.definitions.paths import canonical


async def get(context: Context, request: web.Request) -> web.StreamResponse:
    """All applications that match `cmd`, `id` (both: contain, in any case) and `label`."""
    embeds = queries.app_embeds(request) | {queries.COUNTS, queries.DEPLOYMENTS}
    apps = context.core.root.group.all_apps()
    context.fragments.keep_only(apps.keys())
    found = (context.fragments.app(app, embeds) for app in _matching(request, apps.values()))
    return await stream.send(request, b'{"apps":[', found, b"]}")


def _matching(request: web.Request, apps: Iterable[App]) -> Iterator[App]:
    cmd, name = request.query.get("cmd", "").lower(), request.query.get("id", "").lower()
    label = request.query.get("label")
    matches = selectors.parse(label) if label else None
    for app in list(apps):
        if cmd and cmd not in (app.cmd or "").lower():
            continue
        if name and name not in app.id.lower():
            continue
        if matches is None or matches(app.labels):
            yield app


async def post(context: Context, request: web.Request) -> web.StreamResponse:
    """A new application: 201 with all of it."""
    document = await queries.body(request)
    plan = await context.core.deployments.deploy(context.changes.create(document), force=queries.flag(request, "force"))
    app_id = canonical(document["id"])
    app = context.core.root.app(app_id)
    if app is None:  # removed by somebody while it was made
        raise answers.unknown_app(app_id)
    posted(context, request, app)
    embeds = {queries.COUNTS, queries.DEPLOYMENTS, queries.TASKS}
    headers = {answers.DEPLOYMENT_HEADER: plan.id, "Location": f"/v2/apps{app_id}"}
    return answers.raw(context.fragments.app(app, embeds), 201, headers)


async def put(context: Context, request: web.Request) -> web.StreamResponse:
    """Change or make several applications at once."""
    return await _several(context, request, partial=queries.flag(request, "partialUpdate", True), may_create=True)


async def patch(context: Context, request: web.Request) -> web.StreamResponse:
    """Change several applications at once."""
    return await _several(context, request, partial=True, may_create=False)


async def _several(context: Context, request: web.Request, *, partial: bool, may_create: bool) -> web.StreamResponse:
    documents = await queries.objects(request)
    changes = []
    for index, document in enumerate(documents):
        if not isinstance(document.get("id"), str):
            raise not_valid(f"({index})/id", "must not be empty")
        app_id = canonical(document["id"])
        former = await former_version(context, app_id, document)
        changes.append(context.changes.part(app_id, document, partial=partial, may_create=may_create, former=former))
    change = aside(context.changes.all_of(changes))
    plan = await context.core.deployments.deploy(change, force=queries.flag(request, "force"))
    return answers.deployed(plan)
