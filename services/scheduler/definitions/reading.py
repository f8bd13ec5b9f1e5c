"""The steps from a JSON document to an application: shape, dialect, defaults, rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from services.scheduler.definitions import build, dialects, rules, unsupported
from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import Problems
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.paths import canonical, chain
from services.scheduler.definitions.rules import Policy
from services.scheduler.definitions.shapes import Shape


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
    document: Mapping[str, Any], *, version: str, base: str, policy: Policy, root: Group | None, old: App | None = None
) -> App:
    """The application of a canonical document. `old`: its former definition, whose role it may keep."""
    problems = Problems()
    app_id = canonical(document["id"], base)
    default_role, roles = roles_of(app_id, root, policy)
    if "acceptedResourceRoles" in document and not document["acceptedResourceRoles"]:
        problems.add("/acceptedResourceRoles", "must not be empty")
    made = build.app(
        dialects.with_port_defaults(document),
        version=version,
        base=base,
        role=default_role,
        network_name=policy.default_network_name,
        problems=problems,
    )
    if roles is not None and old is not None:
        roles = {*roles, old.role}
    rules.check(made, policy, roles=roles, problems=problems)
    problems.raise_as(422)
    return made


def roles_of(app_id: str, root: Group | None, policy: Policy) -> tuple[str, Collection[str] | None]:
    """The role an application gets, and those it may have; without `root` any.

    A top-level group that enforces its role gives its name as the only one; otherwise it may be that name as well.
    """
    if root is None:
        return policy.default_role, None
    way = chain(app_id)
    if len(way) < 2:
        return policy.default_role, {policy.default_role}
    top = root.groups.get(way[0])
    name = way[0][1:]
    if top is not None and top.enforce_role:
        return name, {name}
    return policy.default_role, {policy.default_role, name}
