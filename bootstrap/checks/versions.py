"""Rules about `versions`: artifacts and releases that the catalogue has."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.checks.draft import Draft
from bootstrap.checks.fields import kind, plain
from bootstrap.checks.finding import Finding, Keys, unknown


def versions(draft: Draft) -> Iterator[Finding]:
    """Every version is a release of pillar/artifacts.yaml, of something that a node takes."""
    if not draft.versions:
        return
    known, taken = draft.releases(), _taken(draft)
    for name, version in draft.versions.items():
        keys: Keys = ("versions", name)
        if name not in known:
            yield unknown(draft.file, keys, name, known, kind="artifact")
        elif not isinstance(version, str):
            message = f"must be text, not {kind(version)}"
            yield draft.finding(keys, version, message, f'put quotes around it: "{plain(version)}"')
        elif version not in known[name]:
            fix = f"known: {', '.join(known[name])}; or add the release to pillar/artifacts.yaml"
            yield draft.finding(keys, version, f"no release of {name} in pillar/artifacts.yaml", fix)
        elif name not in taken:
            message = f"without effect: no node takes {name}"
            yield draft.finding(keys, None, message, "remove it", severity="warning")


def _taken(draft: Draft) -> set[str]:
    """Artifacts of the roles in use, with the providers that fill them."""
    used = {role for entry in draft.entries for role in entry.roles}
    rows = [draft.roles[name] for name in used if name in draft.roles]
    return {name for role in rows for name in role.filled_by(draft.provider(role)).artifacts}
