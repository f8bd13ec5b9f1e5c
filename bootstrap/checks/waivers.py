"""Rules about `waivers`: rules of preflight that exist and may be waived, each with a reason."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.checks.draft import Draft
from bootstrap.checks.fields import kind
from bootstrap.checks.finding import Finding, Keys, unknown


def waivers(draft: Draft) -> Iterator[Finding]:
    """A waiver names a rule of preflight and says why."""
    if not draft.waivers:
        return
    from bootstrap.preflight import names

    for name, reason in draft.waivers.items():
        keys: Keys = ("waivers", name)
        if name in names.NEVER_WAIVED:
            yield draft.finding(keys, None, f"{name} cannot be waived: {names.NEVER_WAIVED[name]}", "remove it")
        elif name not in names.WAIVABLE:
            yield unknown(draft.file, keys, name, names.WAIVABLE, kind="rule of preflight")
        elif not isinstance(reason, str):
            yield draft.finding(keys, reason, f"must be text, not {kind(reason)}", "say in a few words why")
        elif not reason.strip():
            yield draft.finding(keys, reason, "a waiver without a reason", "say in a few words why")
