"""Rules about `providers`: which implementation fills a role."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.checks.draft import Draft
from bootstrap.checks.finding import Finding, unknown


def providers(draft: Draft) -> Iterator[Finding]:
    """A choice is between the implementations that the role has."""
    choosable = {name: role for name, role in draft.roles.items() if role.providers}
    for name, asked in draft.providers.items():
        keys = ("providers", name)
        if name not in choosable:
            yield unknown(draft.file, keys, name, choosable, kind="role")
            continue
        known = [provider.name for provider in choosable[name].providers]
        if not isinstance(asked, str):
            yield draft.finding(keys, asked, "must be the name of a provider", f"write {name}: {known[0]}")
        elif asked not in known:
            yield unknown(draft.file, keys, asked, known, kind="provider", of=f"role {name}")
