"""Killing instances because somebody asked for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aiohttp import web

from services.scheduler.api import queries
from services.scheduler.api.answers import Deployed, Refusal
from services.scheduler.api.context import Context
from services.scheduler.instances.instance import Instance


def refuse_both(request: web.Request) -> None:
    """`scale` and `wipe` together are refused (400)."""
    if queries.flag(request, "scale") and queries.flag(request, "wipe"):
        raise Refusal(400, "You cannot use scale and wipe at the same time.")


def kill(context: Context, request: web.Request, instances: Collection[Instance]) -> None:
    """Others take their place. `wipe`: nobody waits for their end."""
    if instances:
        context.core.killer.kill(list(instances), wipe=queries.flag(request, "wipe"))


async def kill_and_scale(
    context: Context, request: web.Request, instances: Mapping[str, Sequence[Instance]]
) -> Deployed:
    """Scale applications down by these instances, which go first: a deployment."""
    active = {app_id: [each for each in some if each.condition.is_active] for app_id, some in instances.items()}
    change = context.changes.scale_down({app_id: len(some) for app_id, some in active.items()})
    first = {app_id: [each.id for each in some] for app_id, some in active.items()}
    return await context.core.deployments.deploy(change, force=queries.flag(request, "force"), first=first)
