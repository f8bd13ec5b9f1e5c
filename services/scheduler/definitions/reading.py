"""The steps from a JSON document to an application: shape, dialect, defaults, rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from services.scheduler.definitions import build, dialects, rules, unsupported
from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import Problems, not_valid
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.paths import chain
from services.scheduler.definitions.rules import Policy
from services.scheduler.definitions.shapes import Shape

SAME_IDENTIFIER = "Groups and Applications may not have the same identifier"


def shaped(document: object, shape: Shape) -> dict[str, Any]:
    """The document with the keys that are known. Raises `InvalidDefinition` (400) for a wrong shape."""
    problems = Problems()
    clean = shape(document, "", problems)
    problems.raise_as(400)
    assert isinstance(clean, dict)  # noqa: S101 - or there was a problem
    return clean


def canonical_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """A well-formed document without old fields. Raises `InvalidDefinition` (422): contradicting, or not supported."""
    problems = Problems()
    unsupported.refuse(document, problems)
    dialects.check(document, problems)
    problems.raise_as(422)
    return dialects.canonical(document)


def whole(
    document: Mapping[str, Any], *, version: str, base: str, policy: Policy, roles: tuple[str, Collection[str] | None]
) -> App:
    """The application of a canonical document; `roles` as `roles_of` gives them. Raises `InvalidDefinition` (422)."""
    problems = Problems()
    if "acceptedResourceRoles" in document and not document["acceptedResourceRoles"]:
        problems.add("/acceptedResourceRoles", "must not be empty")
    made = build.app(
        dialects.with_port_defaults(document),
        version=version,
        base=base,
        role=roles[0],
        network_name=policy.default_network_name,
        problems=problems,
    )
    rules.check(made, policy, roles=roles[1], problems=problems)
    problems.raise_as(422)
    return made


def roles_of(app_id: str, root: Group, policy: Policy, old: App | None = None) -> tuple[str, Collection[str]]:
    """The role an application gets if it names none, and those it may have.

    A top-level group that enforces its role gives its name as the only one; otherwise it may be that name as well.
    What an application has had (`old`) it may keep.
    """
    kept = set() if old is None else {old.role}
    way = chain(app_id)
    if len(way) < 2:
        return policy.default_role, {policy.default_role} | kept
    top = root.groups.get(way[0])
    name = way[0][1:]
    if top is not None and top.enforce_role:
        return name, {name} | kept
    return policy.default_role, {policy.default_role, name} | kept


def check_place(app_id: str, root: Group) -> None:
    """Raises `InvalidDefinition` (422) if the id is a group's, or one of its groups' is an application's."""
    clashing = [name for name in chain(app_id)[:-1] if root.app(name) is not None]
    if clashing or root.group(app_id) is not None:
        raise not_valid("", f"{SAME_IDENTIFIER}: {(clashing or [app_id])[0]}")
