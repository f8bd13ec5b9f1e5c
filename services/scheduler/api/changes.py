"""What requests make of the root: functions of the root and the new version, for `deployments.deploy`. Pure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from services.scheduler.api.answers import Refusal, unknown_app, unknown_group
from services.scheduler.definitions import group_update, parse, ports, update
from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import not_valid
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.parse import Policy
from services.scheduler.definitions.paths import chain

Change = Callable[[Group, str], Group]


def aside(change: Change) -> Callable[[Group, str], Awaitable[Group]]:
    """In a thread, for documents with any number of applications: the loop is free for others meanwhile."""

    def begun(root: Group, version: str) -> Awaitable[Group]:
        return asyncio.to_thread(change, root, version)

    return begun


class Changes:
    """With what the operator allows; `low` to `high`: service ports to give out."""

    def __init__(self, policy: Policy, *, low: int, high: int, max_apps: int | None = None) -> None:
        self._policy = policy
        self._low = low
        self._high = high
        self._max_apps = max_apps

    def create(self, document: Any, app_id: str | None = None) -> Change:
        """A new application. `app_id`: its id, whatever the document says."""

        def change(root: Group, version: str) -> Group:
            placed = _placed(root, self._parsed(root, version, document, app_id), version, new=True)
            return self.with_ports(placed, root)

        return change

    def put(
        self, app_id: str, document: Any, *, partial: bool, may_create: bool = True, former: App | None = None
    ) -> Change:
        """Change an application, or make it. `former`: the definition of before that is to come back."""
        return self.all_of([self.part(app_id, document, partial=partial, may_create=may_create, former=former)])

    def part(
        self, app_id: str, document: Any, *, partial: bool, may_create: bool = True, former: App | None = None
    ) -> Change:
        """As `put`, for `all_of`: service ports are not given yet."""

        def change(root: Group, version: str) -> Group:
            old = root.app(app_id)
            if old is None:
                if not may_create or update.rollback_version(document) is not None:
                    raise unknown_app(app_id)
                return _placed(root, self._parsed(root, version, document, app_id), version, new=True)
            if former is not None:
                return _placed(root, update.follow(old, former, version, self._policy), version)
            new = update.app(old, document, partial=partial, version=version, policy=self._policy, root=root)
            return _placed(root, new, version)

        return change

    def all_of(self, parts: Iterable[Change]) -> Change:
        """One after the other, as one."""
        several = list(parts)

        def change(root: Group, version: str) -> Group:
            before = root
            for part in several:
                root = part(root, version)
            return self.with_ports(root, before)

        return change

    def scale_down(self, numbers: Mapping[str, int]) -> Change:
        """So many instances less of each application, never below none."""

        def change(root: Group, version: str) -> Group:
            for app_id, number in numbers.items():
                app = root.app(app_id)
                if app is None:
                    raise unknown_app(app_id)
                scaled = update.scaled(app, max(0, app.instances - number), version)
                root = root.with_app(scaled, version=version)
            return root

        return change

    def group(self, group_id: str, document: Any) -> Change:
        """A group's document: what is new, changed, removed, scaled."""

        def change(root: Group, version: str) -> Group:
            made = group_update.apply(document, root, version=version, base=group_id, policy=self._policy)
            return self.with_ports(made, root)

        return change

    def restore_group(self, group_id: str, former: Group) -> Change:
        """A group as it was: its applications with their former definitions, as new versions."""

        def renewed(group: Group, root: Group, version: str) -> Group:
            apps = {}
            for app_id, app in group.apps.items():
                old = root.app(app_id)
                new = update.restarted(app, version) if old is None else update.follow(old, app, version, self._policy)
                apps[app_id] = new
            groups = {inner_id: renewed(inner, root, version) for inner_id, inner in group.groups.items()}
            return replace(group, apps=apps, groups=groups, version=version)

        def change(root: Group, version: str) -> Group:
            made = renewed(former, root, version)
            return self.with_ports(made if group_id == "/" else root.with_group(made, version=version), root)

        return change

    def restart(self, app_id: str) -> Change:
        """All instances anew."""

        def change(root: Group, version: str) -> Group:
            app = root.app(app_id)
            if app is None:
                raise unknown_app(app_id)
            return root.with_app(update.restarted(app, version), version=version)

        return change

    def remove(self, app_id: str) -> Change:
        """Without the application."""

        def change(root: Group, version: str) -> Group:
            if root.app(app_id) is None:
                raise unknown_app(app_id)
            return root.without_app(app_id, version=version)

        return change

    def remove_group(self, group_id: str) -> Change:
        """Without the group and all in it; the root is emptied."""

        def change(root: Group, version: str) -> Group:
            if root.group(group_id) is None:
                raise unknown_group(group_id)
            return Group(version=version) if group_id == "/" else root.without_group(group_id, version=version)

        return change

    def enforce_role(self, group_id: str, enforce: bool) -> Change:
        """Whether a top-level group's applications must have its role."""

        def change(root: Group, version: str) -> Group:
            group = root.group(group_id)
            if group is None:
                raise unknown_group(group_id)
            return root.with_group(replace(group, enforce_role=enforce), version=version)

        return change

    def with_ports(self, root: Group, before: Group) -> Group:
        """The root, with service ports for applications that are not the same as before."""
        known = before.all_apps()
        changed = [app for app_id, app in root.all_apps().items() if app is not known.get(app_id)]
        open_ones = [app for app in changed if 0 in app.service_ports]
        used = {port for app in root.all_apps().values() for port in app.service_ports if port}
        for app in open_ones:
            placed = ports.assign(app, used, self._low, self._high)
            used.update(placed.service_ports)
            root = root.with_app(placed)
        self._check_number(root, before)
        return root

    def _parsed(self, root: Group, version: str, document: Any, app_id: str | None) -> App:
        return parse.app(document, version=version, policy=self._policy, app_id=app_id, root=root)

    def _check_number(self, root: Group, before: Group) -> None:
        number = len(root.all_apps())
        if self._max_apps is not None and number > max(self._max_apps, len(before.all_apps())):
            raise Refusal(403, f"Maximum number of apps reached ({self._max_apps})")


def _placed(root: Group, app: App, version: str, *, new: bool = False) -> Group:
    if new:
        if root.app(app.id) is not None:
            raise Refusal(409, f"An app with id [{app.id}] already exists.")
        if root.group(app.id) is not None:
            raise not_valid("/id", f"conflicts with the group {app.id}")
        for group_id in chain(app.id)[:-1]:
            if root.app(group_id) is not None:
                raise not_valid("/id", f"conflicts with the app {group_id}")
    return root if root.app(app.id) is app else root.with_app(app, version=version)
