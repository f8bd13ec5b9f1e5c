"""A definition and a document become the next definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.scheduler.definitions import output, ports, reading, schema
from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import not_valid
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.rules import Policy

_NOT_A_CHANGE = frozenset({"id", "version", "versionInfo"})
_SETS = ("constraints", "health_checks", "dependencies", "accepted_resource_roles")


def app(
    old: App,
    document: object,
    *,
    partial: bool,
    version: str,
    base: str = "/",
    allow_privileged: bool = False,
    policy: Policy | None = None,
    root: Group | None = None,
) -> App:
    """What `old` becomes. The id stays; service ports that the document leaves open stay too.

    `partial`: keys that are not in the document (or null) keep their values; otherwise they get their defaults.
    Returns `old` itself if nothing changes. Raises `InvalidDefinition`; a document with `version` is not for here,
    see `rollback_version`.
    """
    policy = policy or Policy(allow_privileged=allow_privileged)
    if rollback_version(document) is not None:
        raise not_valid("/version", "a former version is taken back by its number only, it cannot be changed")
    if partial:
        clean = reading.shaped(document, schema.APP_UPDATE)
        fields: Mapping[str, Any] = {**output.app(old), **reading.canonical_fields(clean), "id": old.id}
    else:
        named = {**document, "id": old.id} if isinstance(document, dict) else document
        fields = reading.canonical_fields(reading.shaped(named, schema.APP))
    roles = (policy.default_role, None) if root is None else reading.roles_of(old.id, root, policy, old)
    new = reading.whole(fields, version=version, base=base, policy=policy, roles=roles)
    return follow(old, new, version, policy)


def rollback_version(document: object) -> str | None:
    """The former version that an update asks to go back to: `{"version": "…"}`, with or without `id`.

    Raises `InvalidDefinition` (422) if anything else is asked for at the same time.
    """
    if not isinstance(document, dict) or document.get("version") is None:
        return None
    clean = reading.shaped(document, schema.APP_UPDATE)
    if clean.keys() - _NOT_A_CHANGE:
        raise not_valid("", "The 'version' field may only be combined with the 'id' field.")
    return str(clean["version"])


def follow(old: App, new: App, version: str, policy: Policy) -> App:
    """`new` as the successor of `old`: service ports kept, and the times of scaling and of change set.

    Returns `old` itself if they say the same.
    """
    new = ports.keep(new, old, policy.local_port_min, policy.local_port_max)
    kept = {name: getattr(old, name) for name in _SETS if _same_set(getattr(old, name), getattr(new, name))}
    unchanged = replace(
        new,
        **kept,
        version=old.version,
        last_scaling_at=old.last_scaling_at,
        last_config_change_at=old.last_config_change_at,
    )
    if unchanged == old:
        return old
    if replace(unchanged, instances=old.instances) == old:
        return scaled(old, new.instances, version)
    return restarted(replace(new, **kept), version)


def scaled(old: App, instances: int, version: str) -> App:
    """`old` with another number of instances: none of those that run are outdated by it."""
    if instances == old.instances:
        return old
    return replace(old, instances=instances, version=version, last_scaling_at=version)


def restarted(app: App, version: str) -> App:
    """The same definition as a new one: all instances that run are outdated."""
    return replace(app, version=version, last_scaling_at=version, last_config_change_at=version)


def _same_set(old: tuple[Any, ...], new: tuple[Any, ...]) -> bool:
    """Lists that the API treats as sets: another order is no change."""
    return old != new and len(old) == len(new) and set(old) == set(new)
