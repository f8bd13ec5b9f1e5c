"""/v2/apps/{id}: one application, or with `*` at the end all of a group; and its restart."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from services.scheduler.api import answers, queries, stream
from services.scheduler.api.context import Context
from services.scheduler.definitions import output, update
from services.scheduler.definitions.app import App

_ALWAYS = {queries.COUNTS, queries.DEPLOYMENTS, queries.TASKS, queries.FAILURE}


async def get(context: Context, request: web.Request, name: str) -> web.StreamResponse:
    """The application with its tasks; more with `embed`."""
    embeds = queries.app_embeds(request) | _ALWAYS
    root = context.core.root.group
    if name == "*" or name.endswith("/*"):
        group = root.group(queries.path_id(name[:-1]))
        apps = group.all_apps() if group else {}
        found = (context.fragments.app(app, embeds) for app in apps.values())
        return await stream.send(request, b'{"*":[', found, b"]}")
    app = root.app(queries.path_id(name))
    if app is None:
        raise answers.unknown_app(queries.path_id(name))
    return await stream.send(request, b'{"app":', [context.fragments.app(app, embeds)], b"}")


async def put(context: Context, request: web.Request, name: str) -> web.StreamResponse:
    """Change it, or make it (201). `partialUpdate=false`: what is not said gets its default."""
    return await _change(context, request, name, partial=queries.flag(request, "partialUpdate", True), may_create=True)


async def patch(context: Context, request: web.Request, name: str) -> web.StreamResponse:
    """Change it."""
    return await _change(context, request, name, partial=True, may_create=False)


async def _change(
    context: Context, request: web.Request, name: str, *, partial: bool, may_create: bool
) -> web.StreamResponse:
    app_id = queries.path_id(name)
    document = await queries.body(request)
    former = await former_version(context, app_id, document)
    is_new = context.core.root.app(app_id) is None
    change = context.changes.put(app_id, document, partial=partial, may_create=may_create, former=former)
    plan = await context.core.deployments.deploy(change, force=queries.flag(request, "force"))
    app = context.core.root.app(app_id)
    if app is not None:
        posted(context, request, app)
    if is_new:
        return answers.deployed(plan, 201, f"/v2/apps{app_id}")
    return answers.deployed(plan)


async def delete(context: Context, request: web.Request, name: str) -> web.StreamResponse:
    """Stop it and forget it. Ends other deployments of it unless `force=false`."""
    change = context.changes.remove(queries.path_id(name))
    plan = await context.core.deployments.deploy(change, force=queries.flag(request, "force", True))
    return answers.deployed(plan)


async def restart(context: Context, request: web.Request, name: str) -> web.StreamResponse:
    """All instances anew, within the upgrade strategy."""
    change = context.changes.restart(queries.path_id(name))
    plan = await context.core.deployments.deploy(change, force=queries.flag(request, "force"))
    return answers.deployed(plan)


async def former_version(context: Context, app_id: str, document: Any) -> App | None:
    """The definition that `{"version": …}` asks to go back to; None if it asks for no such thing."""
    wanted = update.rollback_version(document)
    if wanted is None or context.core.root.app(app_id) is None:
        return None
    version = queries.moment(wanted)
    found: App | None = await context.core.root.app_version(app_id, version)
    if found is None:
        raise answers.unknown_app(app_id, version)
    return found


def posted(context: Context, request: web.Request, app: App) -> None:
    """Tell the event stream who asked for what."""
    context.core.bus.publish(
        "api_post_event", clientIp=request.remote or "", uri=request.path, appDefinition=output.app(app)
    )
