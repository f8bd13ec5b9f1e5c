"""What differs between two states of all applications, as a value that can be reversed and applied elsewhere.

A deployment keeps only this of the states it goes between. A rollback is its reverse on the state of that
moment: what other deployments changed since then stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from services.scheduler.definitions.app import App
from services.scheduler.definitions.group import Group

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """None before: new; None after: removed."""

    before: T | None
    after: T | None


@dataclass(frozen=True, slots=True)
class GroupShape:
    """What a group is beside what it holds."""

    dependencies: tuple[str, ...]
    enforce_role: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """By id."""

    apps: Mapping[str, Change[App]] = field(default_factory=dict)
    groups: Mapping[str, Change[GroupShape]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.apps or self.groups)

    def reversed(self) -> Changes:
        """Back again."""
        return Changes(
            apps={app_id: Change(change.after, change.before) for app_id, change in self.apps.items()},
            groups={group_id: Change(change.after, change.before) for group_id, change in self.groups.items()},
        )

    def onto(self, root: Group) -> Group:
        """The root with these changes. Groups that they would remove stay while something is in them."""
        for app_id, change in self.apps.items():
            if change.after is not None:
                root = root.with_app(change.after)
            elif root.app(app_id) is not None:
                root = root.without_app(app_id)
        for group_id in sorted(self.groups, key=len, reverse=True):  # inner groups first
            root = _with_shape(root, group_id, self.groups[group_id].after)
        return root


def between(before: Group, after: Group) -> Changes:
    """Cheap where the two share their parts."""
    if before is after:
        return Changes()
    return Changes(
        apps=_differences(before.all_apps(), after.all_apps()),
        groups=_differences(_shapes(before), _shapes(after)),
    )


def restored(changes: Changes, root: Group, version: str) -> Changes:
    """The changes with definitions that come after those of `root`: a definition that returns is a new version."""

    def renewed(app_id: str, change: Change[App]) -> Change[App]:
        if change.after is None:
            return change
        current = root.app(app_id)
        if current is None:
            return replace(change, after=_as_new(change.after, version))
        same_config = current.last_config_change_at == change.after.last_config_change_at
        same_scale = current.instances == change.after.instances
        app = replace(
            change.after,
            version=version,
            last_scaling_at=current.last_scaling_at if same_scale else version,
            last_config_change_at=current.last_config_change_at if same_config else version,
        )
        return replace(change, before=current, after=app)

    return replace(changes, apps={app_id: renewed(app_id, change) for app_id, change in changes.apps.items()})


def _as_new(app: App, version: str) -> App:
    return replace(app, version=version, last_scaling_at=version, last_config_change_at=version)


def _differences(before: Mapping[str, T], after: Mapping[str, T]) -> dict[str, Change[T]]:
    found = {key: Change(before.get(key), value) for key, value in after.items() if _differ(before.get(key), value)}
    found.update({key: Change(value, None) for key, value in before.items() if key not in after})
    return found


def _differ(one: object, other: object) -> bool:
    return one is not other and one != other


def _shape(group: Group) -> GroupShape:
    return GroupShape(group.dependencies, group.enforce_role)


def _shapes(root: Group) -> dict[str, GroupShape]:
    return {group.id: _shape(group) for group in root.transitive_groups()}


def _with_shape(root: Group, group_id: str, shape: GroupShape | None) -> Group:
    group = root.group(group_id)
    if shape is None:
        if group is None or group.apps or group.groups:
            return root
        return root.without_group(group_id)
    if group is None:
        group = Group(id=group_id)
    elif _shape(group) == shape:
        return root
    return root.with_group(replace(group, dependencies=shape.dependencies, enforce_role=shape.enforce_role))
