"""JSON documents become applications and groups, or `InvalidDefinition` with everything that is wrong."""

from __future__ import annotations

from collections.abc import Collection

from services.scheduler.definitions import reading, schema
from services.scheduler.definitions.app import App
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.group_update import apply as group
from services.scheduler.definitions.paths import canonical
from services.scheduler.definitions.rules import Policy
from services.scheduler.definitions.stored import decode as stored
from services.scheduler.definitions.stored import decode_tree as stored_tree

__all__ = ["Policy", "app", "group", "stored", "stored_tree"]


def app(
    document: object,
    *,
    version: str,
    base: str = "/",
    allow_privileged: bool = False,
    policy: Policy | None = None,
    app_id: str | None = None,
    root: Group | None = None,
) -> App:
    """A whole application from a document of either dialect, with the API's defaults.

    `base`: the group that relative ids are relative to. `policy` stands in for `allow_privileged`. `app_id`: the id,
    whatever the document says. `root`: if given, the id must be free of groups, and the role fit the top-level group.
    Raises `InvalidDefinition`.
    """
    if app_id is not None and isinstance(document, dict):
        document = {**document, "id": app_id}
    clean = reading.canonical_fields(reading.shaped(document, schema.APP))
    policy = policy or Policy(allow_privileged=allow_privileged)
    roles: tuple[str, Collection[str] | None] = (policy.default_role, None)
    if root is not None:
        absolute = canonical(clean["id"], base)
        reading.check_place(absolute, root)
        roles = reading.roles_of(absolute, root, policy)
    return reading.whole(clean, version=version, base=base, policy=policy, roles=roles)
