"""What requests ask for: flags, sets of names, times, JSON bodies. Read as Marathon reads them."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from services.scheduler import clock
from services.scheduler.api.answers import Refusal
from services.scheduler.definitions import paths

TASKS, DEPLOYMENTS, READINESS, FAILURE, COUNTS, STATS = (
    "tasks",
    "deployments",
    "readiness",
    "lastTaskFailure",
    "counts",
    "taskStats",
)
_APP_EMBEDS = {
    "tasks": {TASKS, DEPLOYMENTS},
    "deployments": {DEPLOYMENTS},
    "readiness": {READINESS},
    "lastTaskFailure": {FAILURE},
    "failures": {TASKS, FAILURE, DEPLOYMENTS},
    "counts": {COUNTS},
    "count": {COUNTS},
    "taskStats": {STATS},
}


def flag(request: web.Request, name: str, default: bool = False) -> bool:
    """`?name=true`, in any case of letters; anything else that is given is no."""
    value = request.query.get(name)
    return default if value is None else value.lower() == "true"


def app_embeds(request: web.Request, prefixes: tuple[str, ...] = ("apps.", "app.")) -> set[str]:
    """What to show with an application. Unknown names are no error."""
    found: set[str] = set()
    for name in request.query.getall("embed", []):
        for prefix in prefixes:
            if name.startswith(prefix):
                found |= _APP_EMBEDS.get(name[len(prefix) :], set())
    return found


def moment(text: str) -> str:
    """A version as it is stored, from any writing of the time. Raises Refusal (422)."""
    try:
        return clock.text(clock.parse(text))
    except ValueError as error:
        raise Refusal(422, f'Invalid format: "{text}"') from error


def path_id(text: str) -> str:
    """The absolute id in a path of a request, which may have slashes at either end."""
    return paths.canonical(text.strip("/"))


async def body(request: web.Request) -> Any:
    """The JSON document. Raises Refusal (400)."""
    data = await request.read()
    if not data.strip():
        raise Refusal(400, "Invalid JSON", details="No content to map due to end-of-input")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "Invalid JSON", details=str(error)) from error


async def objects(request: web.Request) -> list[dict[str, Any]]:
    """A list of JSON objects. Raises Refusal (400)."""
    documents = await body(request)
    if not isinstance(documents, list):
        raise Refusal(400, "Invalid JSON", details=[{"path": "/", "errors": ["error.expected.jsarray"]}])
    wrong = [index for index, item in enumerate(documents) if not isinstance(item, dict)]
    if wrong:
        errors = [{"path": f"/({index})", "errors": ["error.expected.jsobject"]} for index in wrong]
        raise Refusal(400, "Invalid JSON", details=errors)
    return documents
