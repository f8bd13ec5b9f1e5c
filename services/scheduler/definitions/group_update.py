"""A group's document applied to the tree of groups."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.scheduler.definitions import dependencies, reading, schema, unsupported, update
from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import InvalidDefinition, Problems, not_valid
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.paths import canonical, parent
from services.scheduler.definitions.rules import Policy

_CHANGES = ("apps", "groups", "dependencies", "enforceRole", "pods")


def apply(
    document: object,
    root: Group,
    *,
    version: str,
    base: str = "/",
    allow_privileged: bool = False,
    policy: Policy | None = None,
) -> Group:
    """The tree with the document's group made or changed; returns the new root.

    The group is `base`, or what the document's `id` says, relative to it. `apps`, `groups` and `dependencies` that are
    given replace the former ones: what is not listed is removed. `scaleBy` multiplies the instances of all
    applications in the group. Applications that stay the same keep their versions. Raises `InvalidDefinition`; a
    document with `version` is not for here, see `rollback_version`.
    """
    clean = reading.shaped(document, schema.GROUP)
    policy = policy or Policy(allow_privileged=allow_privileged)
    group_id = canonical(clean.get("id", ""), base)
    if rollback_version(clean) is not None:
        raise not_valid("/version", "a former version is taken back by its number only, it cannot be changed")
    if "scaleBy" in clean:
        return _scaled(clean, root, group_id, version)
    return _Change(root, version, policy).applied(clean, group_id)


def id_of(document: object, base: str = "/") -> str:
    """The absolute id of the group that a document is about. Raises `InvalidDefinition` (400)."""
    return canonical(reading.shaped(document, schema.GROUP).get("id", ""), base)


def rollback_version(document: object) -> str | None:
    """The former version that an update asks to go back to: `{"version": "…"}`, with or without `id`.

    Raises `InvalidDefinition` (422) if anything else is asked for at the same time.
    """
    if not isinstance(document, dict) or document.get("version") is None:
        return None
    clean = reading.shaped(document, schema.GROUP)
    if any(key in clean for key in (*_CHANGES, "scaleBy")):
        raise not_valid("", "The 'version' field may only be combined with the 'id' field.")
    return str(clean["version"])


def _scaled(document: Mapping[str, Any], root: Group, group_id: str, version: str) -> Group:
    if any(key in document for key in _CHANGES):
        raise not_valid("", "The 'scaleBy' field may only be combined with the 'id' field.")
    group = root.group(group_id)
    if group is None:
        raise not_valid("/id", f"Group {group_id} does not exist: nothing to scale")
    for app in group.all_apps().values():
        instances = math.ceil(round(app.instances * document["scaleBy"], 6))  # 10 * 1.1 is a little more than 11
        root = root.with_app(update.scaled(app, instances, version), version=version)
    return root


class _Change:
    """One document applied; the root as it was says what applications were and which roles they may have."""

    def __init__(self, root: Group, version: str, policy: Policy) -> None:
        self._root = root
        self._version = version
        self._policy = policy

    def applied(self, document: Mapping[str, Any], group_id: str) -> Group:
        # Roles depend on what the document says of top-level groups: these are in place before applications are read.
        self._roles = self._root
        self._place_roles(document, group_id)
        new = self._group(document, group_id, "")
        changed = self._root.with_group(new, version=self._version)
        for name in _ancestors(group_id):
            ancestor = changed.group(name)
            if ancestor is not None:
                _check_names(ancestor, "")
        dependencies.order(changed)
        return changed

    def _place_roles(self, document: Mapping[str, Any], group_id: str) -> None:
        tops = (
            [(document, group_id)]
            if group_id != "/"
            else [(each, canonical(each["id"], "/")) for each in document.get("groups", [])]
        )
        for each, name in tops:
            if "enforceRole" in each and parent(name) == "/" and name != "/":
                top = self._root.group(name) or Group(name)
                self._roles = self._roles.with_group(replace(top, enforce_role=each["enforceRole"]))

    def _group(self, document: Mapping[str, Any], group_id: str, path: str) -> Group:
        problems = Problems()
        unsupported.refuse_pods(document, problems, path)
        if document.get("enforceRole") and (group_id == "/" or parent(group_id) != "/"):
            problems.add(f"{path}/enforceRole", "enforceRole can only be set for top-level groups")
        problems.raise_as(422)
        old = self._root.group(group_id) or Group(group_id)
        group = Group(
            group_id,
            self._apps(document["apps"], group_id, path) if "apps" in document else old.apps,
            self._groups(document["groups"], group_id, path) if "groups" in document else old.groups,
            tuple(dict.fromkeys(canonical(each, group_id) for each in document["dependencies"]))
            if "dependencies" in document
            else old.dependencies,
            document.get("enforceRole", old.enforce_role),
            self._version,
        )
        _check_names(group, path)
        return group

    def _groups(self, documents: list[Mapping[str, Any]], group_id: str, path: str) -> dict[str, Group]:
        found: dict[str, Group] = {}
        for index, document in enumerate(documents):
            where = f"{path}/groups({index})"
            child_id = _child(document["id"], group_id, where, found)
            found[child_id] = self._group(document, child_id, where)
        return found

    def _apps(self, documents: list[Mapping[str, Any]], group_id: str, path: str) -> dict[str, App]:
        found: dict[str, App] = {}
        for index, document in enumerate(documents):
            where = f"{path}/apps({index})"
            app_id = _child(document["id"], group_id, where, found)
            try:
                found[app_id] = self._app(document, app_id, group_id)
            except InvalidDefinition as error:
                details = [{**each, "path": where + each["path"].rstrip("/")} for each in error.details]
                raise InvalidDefinition(error.status, error.message, details) from error
        return found

    def _app(self, document: Mapping[str, Any], app_id: str, group_id: str) -> App:
        old = self._root.app(app_id)
        new = reading.whole(
            reading.canonical_fields({**document, "id": app_id}),
            version=self._version,
            base=group_id,
            policy=self._policy,
            roles=reading.roles_of(app_id, self._roles, self._policy, old),
        )
        return update.follow(old, new, self._version, self._policy) if old is not None else new


def _child(name: str, group_id: str, path: str, siblings: Mapping[str, object]) -> str:
    """The absolute id of what must be directly in the group."""
    child_id = canonical(name, group_id)
    if child_id == group_id or parent(child_id) != group_id:
        raise not_valid(f"{path}/id", f"Identifier is not child of '{group_id}'")
    if child_id in siblings:
        raise not_valid(f"{path}/id", f"{child_id} is there more than once")
    return child_id


def _check_names(group: Group, path: str) -> None:
    clashing = sorted(group.apps.keys() & group.groups.keys())
    if clashing:
        raise not_valid(path, f"{reading.SAME_IDENTIFIER}: {', '.join(clashing)}")


def _ancestors(group_id: str) -> list[str]:
    found = []
    while group_id != "/":
        group_id = parent(group_id)
        found.append(group_id)
    return found
