"""/v2/tasks: the tasks of all applications, and the end of some of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aiohttp import web

from services.scheduler.api import answers, queries, stream
from services.scheduler.api.answers import Refusal
from services.scheduler.api.context import Context
from services.scheduler.api.fragments import state
from services.scheduler.api.kills import kill, kill_and_scale, refuse_both
from services.scheduler.instances.instance import Instance, instance_of_task

_STATES = {"running": "TASK_RUNNING", "staging": "TASK_STAGING"}
_TASK_ID = re.compile(r".+\.(instance-|marathon-)?[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}(\._app(\.\d+)?|\.\d+)?")


async def get(context: Context, request: web.Request) -> web.StreamResponse:
    """All, or those that are `status=running` or `staging`."""
    if request.headers.get("Accept", "").strip() == "text/plain":
        raise Refusal(406, "The text/plain output of /v2/tasks is gone since Marathon 1.10: ask for application/json.")
    asked = [*request.query.getall("status", []), *request.query.getall("status[]", [])]
    wanted = {_STATES[status] for status in asked if status in _STATES}
    return await stream.send(request, b'{"tasks":[', _tasks(context, wanted), b"]}")


def _tasks(context: Context, wanted: set[str]) -> Iterator[bytes]:
    root = context.core.root
    for instance in tuple(context.core.registry.all()):
        if instance.condition.is_terminal or (wanted and state(instance) not in wanted):
            continue
        app = root.app(instance.app_id)
        yield context.fragments.task(instance, app.service_ports if app else ())


async def delete(context: Context, request: web.Request) -> web.StreamResponse:
    """Kill those in `{"ids": […]}`; what is not known is passed over."""
    refuse_both(request)
    document = await queries.body(request)
    ids = document.get("ids") if isinstance(document, dict) else None
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise Refusal(400, "Invalid JSON", details=[{"path": "/ids", "errors": ["error.expected.jsarray"]}])
    for each in ids:
        if not _TASK_ID.fullmatch(each):
            raise Refusal(400, f"Invalid task id '{each}'.")
    found: dict[str, list[Instance]] = {}
    for each in dict.fromkeys(map(instance_of_task, ids)):
        instance = context.core.registry.get(each)
        if instance is not None and not instance.condition.is_terminal:
            found.setdefault(instance.app_id, []).append(instance)
    if queries.flag(request, "scale"):
        return answers.deployed(await kill_and_scale(context, request, found))
    tasks = []
    for app_id, instances in found.items():
        app = context.core.root.app(app_id)
        tasks += [context.fragments.task(each, app.service_ports if app else ()) for each in instances]
        kill(context, request, instances)
    return answers.raw(b'{"tasks":[' + b",".join(tasks) + b"]}")
