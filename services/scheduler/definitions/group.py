"""Groups of applications: an immutable tree, of which a change copies only the way from the root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from services.scheduler.definitions.app import App
from services.scheduler.definitions.paths import below, chain, parent

NO_VERSION = "1970-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Group:
    """`apps` and `groups` are the group's own, by absolute id. `version`: when anything in it last changed."""

    id: str = "/"
    apps: Mapping[str, App] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    enforce_role: bool = False
    version: str = NO_VERSION

    def all_apps(self) -> Mapping[str, App]:
        """Every application in the group and below it, by id. Not to be changed."""
        return self._all_apps

    def transitive_groups(self) -> Iterator[Group]:
        """The group, and every group below it."""
        yield self
        for child in self.groups.values():
            yield from child.transitive_groups()

    def app(self, app_id: str) -> App | None:
        """The application of that id, at any depth."""
        found = self.group(parent(app_id))
        return found.apps.get(app_id) if found else None

    def group(self, group_id: str) -> Group | None:
        """The group of that id: this one, or one at any depth below."""
        if not below(group_id, self.id):
            return None
        found = self
        for step in self._way(group_id):
            child = found.groups.get(step)
            if child is None:
                return None
            found = child
        return found

    def with_app(self, app: App, *, version: str | None = None) -> Group:
        """With the application added or replaced; missing groups are made.

        Groups on the way get `version`, by default the later of theirs and the application's.
        """
        return self._with(self._way(parent(app.id)), app, version or max(self.version, app.version))

    def without_app(self, app_id: str, *, version: str | None = None) -> Group:
        """Without the application; its group stays, be it empty. The same group if there is none of that id."""
        owner = self.group(parent(app_id))
        if owner is None or app_id not in owner.apps:
            return self
        apps = {key: app for key, app in owner.apps.items() if key != app_id}
        return self.with_group(replace(owner, apps=apps), version=version or self.version)

    def with_group(self, group: Group, *, version: str | None = None) -> Group:
        """With the group added or replaced; missing groups between are made. Versions as in `with_app`."""
        if group.id == self.id:
            return replace(group, version=version or max(self.version, group.version))
        return self._with(self._way(parent(group.id)), group, version or max(self.version, group.version))

    def without_group(self, group_id: str, *, version: str | None = None) -> Group:
        """Without the group and all in it. The same group if there is none of that id; the root cannot be removed."""
        owner = self.group(parent(group_id))
        if owner is None or group_id not in owner.groups or group_id == self.id:
            return self
        groups = {key: group for key, group in owner.groups.items() if key != group_id}
        return self.with_group(replace(owner, groups=groups), version=version or self.version)

    @cached_property
    def _all_apps(self) -> Mapping[str, App]:
        if not self.groups:
            return self.apps
        everything = dict(self.apps)
        for child in self.groups.values():
            everything.update(child.all_apps())
        return everything

    def _way(self, group_id: str) -> list[str]:
        """Ids of the groups from below this one down to `group_id`."""
        steps = chain(group_id)
        return steps if self.id == "/" else steps[len(chain(self.id)) :]

    def _with(self, way: list[str], item: App | Group, version: str) -> Group:
        if not way:
            if isinstance(item, App):
                return replace(self, apps={**self.apps, item.id: item}, version=version)
            item = item if item.version == version else replace(item, version=version)
            return replace(self, groups={**self.groups, item.id: item}, version=version)
        child = self.groups.get(way[0]) or Group(way[0], version=version)
        return replace(self, groups={**self.groups, way[0]: child._with(way[1:], item, version)}, version=version)
