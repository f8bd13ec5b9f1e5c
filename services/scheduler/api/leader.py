"""/v2/leader: who leads, and asking it to stop."""

from __future__ import annotations

from aiohttp import web

from services.scheduler.api import answers
from services.scheduler.api.answers import Refusal
from services.scheduler.api.context import Context


async def get(context: Context, _request: web.Request) -> web.StreamResponse:
    """host:port."""
    leader = context.leadership.leader
    if leader is None:
        raise Refusal(404, "There is no leader")
    return answers.document({"leader": leader})


async def delete(context: Context, request: web.Request) -> web.StreamResponse:
    """Another one is elected; tasks notice nothing. This process ends and is started again."""
    for parameter in ("backup", "restore"):
        if parameter in request.query:
            raise Refusal(400, f"'{parameter}' is not there: back up the tree in ZooKeeper instead.")
    if not context.leads:
        raise Refusal(404, "There is no leader")
    context.abdicate()
    return answers.document({"message": "Leadership abdicated"})
