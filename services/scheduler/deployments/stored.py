"""Deployments as documents for the store, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.scheduler.definitions import output, parse
from services.scheduler.definitions.app import App
from services.scheduler.deployments.changes import Change, Changes, GroupShape
from services.scheduler.deployments.plan import Action, ActionType, DeploymentPlan


def to_document(plan: DeploymentPlan, step: int) -> dict[str, Any]:
    """Whole: the definitions of before may be gone from elsewhere when they are asked for."""
    return {
        "id": plan.id,
        "version": plan.version,
        "step": step,
        "apps": {
            app_id: {"before": _app_document(change.before), "after": _app_document(change.after)}
            for app_id, change in plan.changes.apps.items()
        },
        "groups": {
            group_id: {"before": _shape_document(change.before), "after": _shape_document(change.after)}
            for group_id, change in plan.changes.groups.items()
        },
        "steps": [
            [{"type": action.type.value, "app": action.app.id, "first": list(action.first)} for action in actions]
            for actions in plan.steps
        ],
        "unchanged": {app_id: list(versions) for app_id, versions in plan.unchanged.items()},
    }


def from_document(document: Mapping[str, Any]) -> tuple[DeploymentPlan, int]:
    """The plan and its step. Raises KeyError, TypeError or ValueError on what was not made by `to_document`."""
    changes = Changes(
        apps={
            app_id: Change(_app(change["before"]), _app(change["after"])) for app_id, change in document["apps"].items()
        },
        groups={
            group_id: Change(_shape(change["before"]), _shape(change["after"]))
            for group_id, change in document["groups"].items()
        },
    )
    plan = DeploymentPlan(
        id=document["id"],
        version=document["version"],
        changes=changes,
        steps=tuple(tuple(_action(action, changes) for action in actions) for actions in document["steps"]),
        unchanged={app_id: (begin, end) for app_id, (begin, end) in document["unchanged"].items()},
    )
    return plan, int(document["step"])


def _action(document: Mapping[str, Any], changes: Changes) -> Action:
    change = changes.apps[document["app"]]
    app = change.after or change.before
    if app is None:
        raise ValueError(f"{document['app']} is neither before nor after")
    return Action(ActionType(document["type"]), app, tuple(document["first"]))


def _app_document(app: App | None) -> dict[str, Any] | None:
    return None if app is None else output.stored(app)


def _app(document: dict[str, Any] | None) -> App | None:
    return None if document is None else parse.stored(document)


def _shape_document(shape: GroupShape | None) -> dict[str, Any] | None:
    if shape is None:
        return None
    return {"dependencies": list(shape.dependencies), "enforceRole": shape.enforce_role}


def _shape(document: Mapping[str, Any] | None) -> GroupShape | None:
    if document is None:
        return None
    return GroupShape(tuple(document["dependencies"]), bool(document["enforceRole"]))
