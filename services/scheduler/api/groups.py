"""/v2/groups: groups of applications, changed as a whole; and how they were before."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
from aiohttp import web

from services.scheduler.api import answers, queries
from services.scheduler.api.answers import Refusal
from services.scheduler.api.changes import aside
from services.scheduler.api.context import Context
from services.scheduler.api.stream import SLICE
from services.scheduler.definitions import group_update, output
from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import not_valid
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.paths import canonical, parent

_EVERYTHING = {"group.groups", "group.apps", "group.pods"}


async def get(context: Context, request: web.Request, name: str = "") -> web.StreamResponse:
    """A group; its applications (`/apps` at the end), its versions, or one of them."""
    root = context.core.root
    words = [word for word in name.split("/") if word]
    if words[-1:] == ["versions"]:
        _existing(root.group, "/" + "/".join(words[:-1]))
        return answers.document(root.group_versions())
    if words[-2:-1] == ["versions"]:
        return await _version(context, request, "/" + "/".join(words[:-2]), words[-1])
    if words[-1:] == ["apps"]:
        group = root.group.group("/" + "/".join(words[:-1]))
        embeds = _app_embeds(request)
        apps = group.all_apps().values() if group else ()
        return answers.raw(b"[" + b",".join(context.fragments.app(app, embeds) for app in apps) + b"]")
    return await _shown(context, request, _existing(root.group, "/" + "/".join(words)))


async def _version(context: Context, request: web.Request, group_id: str, text: str) -> web.StreamResponse:
    former = await context.core.root.group_version(queries.moment(text))
    group = former.group(group_id) if former else None
    if group is None:
        raise answers.unknown_group(group_id)
    shows = _embeds(request)
    document = output.group(group, apps="group.apps" in shows, groups="group.groups" in shows)
    return answers.document(_plain(document))


async def _shown(context: Context, request: web.Request, group: Group) -> web.StreamResponse:
    shows, embeds = _embeds(request), _app_embeds(request)
    made: dict[str, Any] = {}
    if "group.apps" in shows:
        begun = time.monotonic()
        for app_id, app in group.all_apps().items():
            made[app_id] = orjson.Fragment(context.fragments.app(app, embeds))
            if time.monotonic() - begun > SLICE:
                await asyncio.sleep(0)
                begun = time.monotonic()

    def app_document(app: App) -> Any:
        return made[app.id]

    document = output.group(
        group, apps="group.apps" in shows, groups="group.groups" in shows, app_document=app_document
    )
    return answers.document(_plain(document))


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """`enforceRole` only where it is true: clients from before it do not know it."""
    if not document.get("enforceRole"):
        document.pop("enforceRole", None)
    for inner in document.get("groups", ()):
        _plain(inner)
    return document


async def post(context: Context, request: web.Request, name: str = "") -> web.StreamResponse:
    """A new group: 201."""
    base = queries.path_id(name)
    document = await queries.body(request)
    group_id = group_update.id_of(document, base)
    root = context.core.root.group
    if group_id == "/" or root.group(group_id) is not None:
        raise Refusal(409, f"Group {group_id} is already created. Use PUT to change this group.")
    if root.app(group_id) is not None:
        raise Refusal(409, f"An app with the path {group_id} already exists.")
    plan = await context.core.deployments.deploy(
        aside(context.changes.group(base, document)), force=queries.flag(request, "force"), group_id=group_id
    )
    return answers.deployed(plan, 201, group_id)


async def put(context: Context, request: web.Request, name: str = "") -> web.StreamResponse:
    """Change it, or make it. `dryRun`: only say what would be done."""
    base = queries.path_id(name)
    document = await queries.body(request)
    group_id = group_update.id_of(document, base)
    change = context.changes.group(base, document)
    wanted = group_update.rollback_version(document)
    if wanted is not None:
        version = queries.moment(wanted)
        former = await context.core.root.group_version(version)
        group = former.group(group_id) if former else None
        if group is None:
            raise answers.unknown_group(group_id, version)
        change = context.changes.restore_group(group_id, group)
    deployments = context.core.deployments
    if queries.flag(request, "dryRun"):
        target = await aside(change)(context.core.root.group, deployments.next_version())
        return answers.document({"steps": deployments.dry_run(target).step_documents()})
    plan = await deployments.deploy(aside(change), force=queries.flag(request, "force"), group_id=group_id)
    return answers.deployed(plan)


async def patch(context: Context, request: web.Request, name: str) -> web.StreamResponse:
    """Of a top-level group: whether it enforces its role."""
    group_id = queries.path_id(name)
    document = await queries.body(request)
    if not isinstance(document, dict):
        raise Refusal(400, "Invalid JSON", details=[{"path": "/", "errors": ["error.expected.jsobject"]}])
    enforce = document.get("enforceRole", False)
    if not isinstance(enforce, bool):
        errors = [{"path": "/enforceRole", "errors": ["error.expected.jsboolean"]}]
        raise Refusal(400, "Invalid JSON", details=errors)
    if group_id == "/" or parent(group_id) != "/":
        raise not_valid("/", "Path needs to be a top-level group")
    await context.core.deployments.deploy(context.changes.enforce_role(group_id, enforce), group_id=group_id)
    return web.Response()


async def delete(context: Context, request: web.Request, name: str = "") -> web.StreamResponse:
    """Remove it and all that is in it."""
    group_id = queries.path_id(name)
    plan = await context.core.deployments.deploy(
        context.changes.remove_group(group_id), force=queries.flag(request, "force"), group_id=group_id
    )
    return answers.deployed(plan)


def _existing(root: Group, group_id: str) -> Group:
    group = root.group(canonical(group_id))
    if group is None:
        raise answers.unknown_group(canonical(group_id))
    return group


def _embeds(request: web.Request) -> set[str]:
    return set(request.query.getall("embed", [])) or _EVERYTHING


def _app_embeds(request: web.Request) -> set[str]:
    return queries.app_embeds(request, ("group.apps.",))
