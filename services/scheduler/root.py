"""The state of all applications as it is wanted: the root group, and the versions before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from services.scheduler.definitions.app import App
from services.scheduler.definitions.group import NO_VERSION, Group
from services.scheduler.definitions.paths import chain, parent


class Store(Protocol):
    """Where the root is kept; all of it raises what the store raises."""

    async def save_root(
        self,
        *,
        version: str,
        changed: Iterable[App],
        removed: Collection[str],
        groups: Mapping[str, Mapping[str, Any]],
        apps: Mapping[str, str],
    ) -> None:
        """All or nothing."""

    async def load_version(self, app_id: str, version: str) -> App | None:
        """An older definition."""

    async def load_root(self, version: str) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, str]] | None:
        """Groups and versions of applications as they were."""

    def app_versions(self, app_id: str) -> Sequence[str]:
        """Oldest first."""

    def root_versions(self) -> Sequence[str]:
        """Oldest first."""


class Root:
    """`group` is what is wanted now; replaced whole, by `commit` alone."""

    def __init__(self, store: Store, group: Group) -> None:
        self._store = store
        self._listeners: list[Callable[[Group], None]] = []
        self.group = group

    def listen(self, listener: Callable[[Group], None]) -> None:
        """Calls `listener` with each new group; it must be quick and must not raise."""
        self._listeners.append(listener)

    @classmethod
    def of_stored(cls, store: Store, apps: Mapping[str, App], groups: Mapping[str, Mapping[str, Any]]) -> Root:
        """The root as a leader before us left it."""
        return cls(store, assemble(apps.values(), groups))

    def apps(self) -> Mapping[str, App]:
        """All applications as they are wanted now, by id."""
        return self.group.all_apps()

    def app(self, app_id: str) -> App | None:
        """What is wanted of an application; None: there is none of that id."""
        return self.group.app(app_id)

    def versions(self, app_id: str) -> list[str]:
        """Versions of an application that can be had, newest first; [] if there is no such application."""
        app = self.group.app(app_id)
        if app is None:
            return []
        return sorted({app.version, *self._store.app_versions(app_id)}, reverse=True)

    async def app_version(self, app_id: str, version: str) -> App | None:
        """A definition of now or before; None if it is not there (any more)."""
        current = self.group.app(app_id)
        if current is not None and current.version == version:
            return current
        return await self._store.load_version(app_id, version)

    def group_versions(self) -> list[str]:
        """Versions of the whole that can be had, newest first."""
        return sorted({self.group.version, *self._store.root_versions()}, reverse=True)

    async def group_version(self, version: str) -> Group | None:
        """The whole as it was; None if not all of it is there any more."""
        if version == self.group.version:
            return self.group
        found = await self._store.load_root(version)
        if found is None:
            return None
        groups, versions = found
        apps = await asyncio.gather(*(self.app_version(app_id, wanted) for app_id, wanted in versions.items()))
        known = [app for app in apps if app is not None]
        return assemble(known, groups) if len(known) == len(apps) else None

    async def commit(self, group: Group, version: str) -> None:
        """Makes `group` the root and stores it. Raises what the store raises; then nothing has changed."""
        group = replace(group, version=version)
        before, after = self.group.all_apps(), group.all_apps()
        await self._store.save_root(
            version=version,
            changed=[app for app_id, app in after.items() if app is not before.get(app_id)],
            removed=sorted(before.keys() - after.keys()),
            groups={each.id: _document(each) for each in group.transitive_groups()},
            apps={app_id: app.version for app_id, app in after.items()},
        )
        self.group = group
        for listener in self._listeners:
            listener(group)


def assemble(apps: Iterable[App], groups: Mapping[str, Mapping[str, Any]]) -> Group:
    """The tree of these applications and groups (documents as `commit` stores them), from the leaves up."""
    own_apps: dict[str, dict[str, App]] = {}
    ids = {"/", *groups}
    for app in apps:
        own_apps.setdefault(parent(app.id), {})[app.id] = app
    for group_id in [*own_apps, *groups]:
        ids.update(chain(group_id))
    children: dict[str, dict[str, Group]] = {}
    for group_id in sorted(ids - {"/"}, key=lambda each: (-each.count("/"), each)):
        inner = _group(group_id, own_apps, children, groups)
        children.setdefault(parent(group_id), {})[group_id] = inner
    return _group("/", own_apps, children, groups)


def _group(
    group_id: str,
    apps: Mapping[str, Mapping[str, App]],
    children: Mapping[str, Mapping[str, Group]],
    documents: Mapping[str, Mapping[str, Any]],
) -> Group:
    document = documents.get(group_id, {})
    return Group(
        id=group_id,
        apps=apps.get(group_id, {}),
        groups=children.get(group_id, {}),
        dependencies=tuple(document.get("dependencies", ())),
        enforce_role=bool(document.get("enforceRole", False)),
        version=str(document.get("version", NO_VERSION)),
    )


def _document(group: Group) -> dict[str, Any]:
    return {"dependencies": list(group.dependencies), "enforceRole": group.enforce_role, "version": group.version}
