"""/v2/apps/{id}/tasks: the tasks of an application (of a group: `*` at the end), and their ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aiohttp import web

from services.scheduler.api import answers, queries, stream
from services.scheduler.api.context import Context
from services.scheduler.api.kills import kill, kill_and_scale, refuse_both
from services.scheduler.definitions.app import App
from services.scheduler.instances.instance import Instance, instance_of_task


async def get(context: Context, request: web.Request, name: str) -> web.StreamResponse:
    """All tasks that are not over."""
    root = context.core.root.group
    if name == "*" or name.endswith("/*"):
        group = root.group(queries.path_id(name[:-1]))
        if group is None:
            raise answers.unknown_group(queries.path_id(name[:-1]))
        apps = list(group.all_apps().values())
    else:
        apps = [_app(context, name)]
    return await stream.send(request, b'{"tasks":[', _tasks(context, apps), b"]}")


def _tasks(context: Context, apps: Sequence[App]) -> Iterator[bytes]:
    for app in apps:
        yield from context.fragments.tasks(app)


async def delete(context: Context, request: web.Request, name: str) -> web.StreamResponse:
    """Kill all, or those on `host`. `scale`: they are not replaced. `wipe`: forgotten at once, too."""
    refuse_both(request)
    app = _app(context, name)
    host = request.query.get("host")
    found = [each for each in _live(context, app) if host in (None, "*") or host in each.hostname]
    if queries.flag(request, "scale"):
        return answers.deployed(await kill_and_scale(context, request, {app.id: found}))
    tasks = [context.fragments.task(each, app.service_ports) for each in found]
    kill(context, request, found)
    return answers.raw(b'{"tasks":[' + b",".join(tasks) + b"]}")


async def delete_one(context: Context, request: web.Request, name: str, task: str) -> web.StreamResponse:
    """Kill one."""
    refuse_both(request)
    app = _app(context, name)
    found = [each for each in _live(context, app) if each.id == instance_of_task(task)]
    if queries.flag(request, "scale"):
        return answers.deployed(await kill_and_scale(context, request, {app.id: found}))
    if not found:
        raise answers.unknown_task(task)
    document = context.fragments.task(found[0], app.service_ports)
    kill(context, request, found)
    return answers.raw(b'{"task":' + document + b"}")


def _app(context: Context, name: str) -> App:
    app_id = queries.path_id(name)
    app = context.core.root.app(app_id)
    if app is None:
        raise answers.unknown_app(app_id)
    return app


def _live(context: Context, app: App) -> list[Instance]:
    return [each for each in context.core.registry.of(app.id).values() if not each.condition.is_terminal]
