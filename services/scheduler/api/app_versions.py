"""/v2/apps/{id}/versions: the definitions an application has had."""

from __future__ import annotations

from aiohttp import web

from services.scheduler.api import answers, queries
from services.scheduler.api.context import Context
from services.scheduler.definitions import output


async def get(context: Context, _request: web.Request, name: str) -> web.StreamResponse:
    """Their times, newest first."""
    app_id = queries.path_id(name)
    versions = context.core.root.versions(app_id)
    if not versions:
        raise answers.unknown_app(app_id)
    return answers.document({"versions": versions})


async def get_one(context: Context, _request: web.Request, name: str, version: str) -> web.StreamResponse:
    """One of them."""
    app_id, wanted = queries.path_id(name), queries.moment(version)
    if context.core.root.app(app_id) is None:
        raise answers.unknown_app(app_id)
    app = await context.core.root.app_version(app_id, wanted)
    if app is None:
        raise answers.unknown_app(app_id, wanted)
    return answers.document(output.app(app))
