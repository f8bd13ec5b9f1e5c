"""What a deployment does, and in which order. Pure.

Removed applications are stopped first, new ones are started with no instance, then applications are scaled or
restarted layer by layer: those that others depend on before them. Actions of one step run at the same time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from services.scheduler.definitions import dependencies
from services.scheduler.definitions.app import App
from services.scheduler.definitions.group import Group
from services.scheduler.deployments.changes import Change, Changes, between


class ActionType(StrEnum):
    """As API documents and events name them."""

    START = "StartApplication"
    STOP = "StopApplication"
    SCALE = "ScaleApplication"
    RESTART = "RestartApplication"


@dataclass(frozen=True, slots=True)
class Action:
    """`app` as it is to be; for a stop as it was."""

    type: ActionType
    app: App
    first: tuple[str, ...] = ()  # instances that go first when scaling down

    def document(self) -> dict[str, Any]:
        """As in `steps` of the API."""
        return {"action": self.type.value, "app": self.app.id}


@dataclass(frozen=True)
class DeploymentPlan:
    """From the state before to the state after."""

    id: str
    version: str  # when it was made: instances that are older were there before it
    changes: Changes
    steps: tuple[tuple[Action, ...], ...]
    # Instances of these versions, from the first on and before the second, run what is wanted although they are
    # older than it. A rollback takes them over instead of restarting them.
    unchanged: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @cached_property
    def affected(self) -> frozenset[str]:
        """Ids of the applications that it locks."""
        return frozenset(action.app.id for step in self.steps for action in step)

    @cached_property
    def _step_documents(self) -> list[dict[str, Any]]:
        return [step_document(step) for step in self.steps]

    def takes_over(self, app_id: str, version: str) -> bool:
        """Whether an instance of that version runs what the plan wants."""
        begin, end = self.unchanged.get(app_id, ("", ""))
        return begin <= version < end

    def step_documents(self) -> list[dict[str, Any]]:
        """`steps` of the API and of `dryRun`, made once: not to be changed."""
        return self._step_documents

    def event_document(self) -> dict[str, Any]:
        """`plan` of events, in the light format: without the groups."""
        return {"id": self.id, "version": self.version, "steps": self.step_documents()}


def step_document(step: Iterable[Action]) -> dict[str, Any]:
    """One step of the API."""
    return {"actions": [action.document() for action in step]}


def plan(
    original: Group,
    target: Group,
    *,
    version: str,
    first: Mapping[str, Iterable[str]] | None = None,
    unchanged: Mapping[str, tuple[str, str]] | None = None,
    deployment_id: str | None = None,
) -> DeploymentPlan:
    """The way from one state to the other. `first`: per application the instances that a scale kills first."""
    changes = between(original, target)
    return DeploymentPlan(
        id=deployment_id or str(uuid.uuid4()),
        version=version,
        changes=changes,
        steps=steps(changes, target, first or {}),
        unchanged=unchanged or {},
    )


def steps(changes: Changes, target: Group, first: Mapping[str, Iterable[str]]) -> tuple[tuple[Action, ...], ...]:
    """The steps, none of them empty; ids in order within each."""
    made = [
        [Action(ActionType.STOP, old) for change in changes.apps.values() if (old := _removed(change))],
        [Action(ActionType.START, new) for change in changes.apps.values() if (new := _added(change))],
    ]
    actions = {
        app_id: action
        for app_id, change in changes.apps.items()
        if (action := _action(change, tuple(first.get(app_id, ())))) is not None
    }
    if actions:
        made += [[actions[app_id] for app_id in layer if app_id in actions] for layer in dependencies.order(target)]
    return tuple(tuple(sorted(step, key=lambda action: action.app.id)) for step in made if step)


def _removed(change: Change[App]) -> App | None:
    return change.before if change.after is None else None


def _added(change: Change[App]) -> App | None:
    return change.after if change.before is None else None


def _action(change: Change[App], first: tuple[str, ...]) -> Action | None:
    before, after = change.before, change.after
    if after is None:
        return None
    if before is None:
        return Action(ActionType.SCALE, after)
    if before.last_config_change_at != after.last_config_change_at:
        return Action(ActionType.RESTART, after)
    if before.instances != after.instances or before.last_scaling_at != after.last_scaling_at:
        return Action(ActionType.SCALE, after, first)
    return None  # nothing that an instance would notice
