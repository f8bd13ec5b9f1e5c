"""Rules about aggregators of log lines: ours, which are a role, and somebody else's, which are a setting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bootstrap.checks.draft import Draft
from bootstrap.checks.finding import Finding

LOGS, AGGREGATOR, SHIPPER = "logs", "log-aggregator", "fluentd"
_SETTING = ("settings", SHIPPER, "aggregators")
_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*:([1-9][0-9]{0,4})")
_FORWARD = 24224  # where they usually listen


def aggregators(draft: Draft) -> Iterator[Finding]:
    """An aggregator has senders, is one of them itself, and is not listed a second time."""
    if AGGREGATOR not in draft.roles or LOGS not in draft.roles:
        return
    carriers = [entry for entry in draft.entries if AGGREGATOR in entry.roles]
    provider = draft.provider(draft.roles[LOGS])
    shipped = any(LOGS in entry.roles for entry in draft.entries)
    if carriers and shipped and provider != SHIPPER:
        yield draft.finding(
            *draft.gives(carriers[0], AGGREGATOR),
            f"no shipper sends to role {AGGREGATOR}: {provider} fills {LOGS}, and writes into the index itself",
            f"write providers: {{{LOGS}: {SHIPPER}}}, or take the role away",
        )
    for entry in carriers:
        if LOGS not in entry.roles:
            yield draft.finding(
                *draft.gives(entry, AGGREGATOR),
                f"role {AGGREGATOR} without role {LOGS} on the same node: nobody would hear what it loses",
                f"write everywhere: [{LOGS}], or add {LOGS} to its roles",
            )
    listed = _listed(draft)
    if carriers and listed:
        yield draft.finding(
            _SETTING,
            listed,
            f"nodes with role {AGGREGATOR} take the lines, so nothing is sent to these",
            f"remove the setting, or take the role {AGGREGATOR} away",
        )
    yield from _places(draft, listed)


def _listed(draft: Draft) -> list[object]:
    fluentd = draft.settings.get(SHIPPER)
    listed = fluentd.get("aggregators") if isinstance(fluentd, Mapping) else None
    return listed if isinstance(listed, list) else []  # another type has been told of already


def _places(draft: Draft, listed: list[object]) -> Iterator[Finding]:
    for index, place in enumerate(listed):
        match = _PLACE.fullmatch(place) if isinstance(place, str) else None
        if not match or int(match[1]) > 65535:
            host = str(place).partition(":")[0] or "logs.example.com"
            yield draft.finding(
                (*_SETTING, index),
                place,
                "not a place to send lines to",
                f'write host:port, such as "{host}:{_FORWARD}"',
            )
