"""/v2/deployments: changes under way, and their end."""

from __future__ import annotations

from aiohttp import web

from services.scheduler.api import answers, queries
from services.scheduler.api.context import Context


async def get(context: Context, _request: web.Request) -> web.StreamResponse:
    """All that are under way, with what each is at."""
    return answers.document([deployment.document() for deployment in context.core.deployments.all()])


async def delete(context: Context, request: web.Request, deployment: str) -> web.StreamResponse:
    """Take it back by another deployment; with `force` only stop it, and leave everything as it is (202)."""
    plan = await context.core.deployments.cancel(deployment, force=queries.flag(request, "force"))
    if plan is None:
        return web.Response(status=202, headers={answers.DEPLOYMENT_HEADER: deployment})
    return answers.deployed(plan)
