"""Answers in Marathon's shapes: documents, deployments, and every kind of refusal."""

from __future__ import annotations

from typing import Any, Protocol

import orjson
from aiohttp import web

JSON = "application/json"
HEADERS = web.RequestKey("headers", dict[str, str])  # of the answer, whatever it is
COMPRESS = web.RequestKey("compress", bool)  # long answers, if the client takes it
DEPLOYMENT_HEADER = "Marathon-Deployment-Id"


class Deployed(Protocol):
    """A plan, as far as answers name it."""

    @property
    def id(self) -> str:
        """Of the deployment."""

    @property
    def version(self) -> str:
        """Of what it makes."""


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is not carried out: a status and `{"message": …}` with whatever more there is to say."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.headers: dict[str, str] = {}
        self.body = {"message": message, **more}


def document(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON document."""
    return web.Response(body=orjson.dumps(body), status=status, content_type=JSON, headers=headers)


def raw(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON document that is made already."""
    return web.Response(body=body, status=status, content_type=JSON, headers=headers)


def deployed(plan: Deployed, status: int = 200, location: str | None = None) -> web.Response:
    """What every change of state answers."""
    headers = {DEPLOYMENT_HEADER: plan.id}
    if location is not None:
        headers["Location"] = location
    return document({"version": plan.version, "deploymentId": plan.id}, status, headers)


def unknown_app(app_id: str, version: str | None = None) -> Refusal:
    """404 for an application, or a version of it."""
    return Refusal(404, f"App '{app_id}' does not exist" + (f" in version {version}" if version else ""))


def unknown_group(group_id: str, version: str | None = None) -> Refusal:
    """404 for a group, or a version of it."""
    return Refusal(404, f"Group '{group_id}' does not exist" + (f" in version {version}" if version else ""))


def unknown_task(task_id: str) -> Refusal:
    """404 for a task."""
    return Refusal(404, f"Task '{task_id}' does not exist")
