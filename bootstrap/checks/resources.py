"""Rules about what a Mesos agent offers: `resources` and `attributes`, in the syntax that Mesos reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from bootstrap.checks.draft import Draft, Entry
from bootstrap.checks.fields import kind, plain
from bootstrap.checks.finding import Finding, Keys, unknown

AGENT = "mesos-agent"
_RESOURCES = ("cpus", "mem", "disk", "gpus", "ports")
_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgt])i?b?", re.IGNORECASE)
_MEGABYTES = {"k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2}
_SPAN = re.compile(r"\s*([0-9]{1,5})\s*-\s*([0-9]{1,5})\s*")


def port_ranges(text: str) -> list[tuple[int, int]] | None:
    """`[31000-31999,32005-32010]` as pairs; None where Mesos could not read it."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    spans = []
    for part in text[1:-1].split(","):
        match = _SPAN.fullmatch(part)
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= 65535:
            return None
        spans.append((int(match[1]), int(match[2])))
    return spans


def agents_only(draft: Draft) -> Iterator[Finding]:
    """Only an agent has something to offer."""
    for entry in draft.entries:
        for key in ("resources", "attributes"):
            if getattr(entry, key) and AGENT not in entry.roles:
                yield draft.finding(
                    (*entry.keys, key),
                    dict(getattr(entry, key)),
                    f"nothing reads {key} on a node without the role {AGENT}",
                    "remove them, or add the role",
                )


def resources(draft: Draft) -> Iterator[Finding]:
    """Amounts as Mesos counts them: CPUs, megabytes, ranges of ports."""
    for entry in draft.entries:
        for key, value in entry.resources.items():
            keys: Keys = (*entry.keys, "resources", key)
            if key not in _RESOURCES:
                yield unknown(draft.file, keys, key, _RESOURCES, kind="resource")
            elif isinstance(value, bool) or not isinstance(value, str | int | float):
                yield draft.finding(keys, value, f"must be text, not {kind(value)}", _quoted(key, value))
            else:
                fault = _ports_fault(str(value)) if key == "ports" else _amount_fault(key, str(value))
                if fault:
                    yield draft.finding(keys, value, *fault)


def attributes(draft: Draft) -> Iterator[Finding]:
    """Names and values that survive `--attributes=name:value;name:value`."""
    for entry in draft.entries:
        for key, value in entry.attributes.items():
            yield from _attribute(draft, entry, key, value)


def _attribute(draft: Draft, entry: Entry, key: str, value: Any) -> Iterator[Finding]:
    keys: Keys = (*entry.keys, "attributes", key)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", key):
        yield draft.finding(
            keys,
            None,
            f"not a name for an attribute: {key}",
            "letters, digits, dots, hyphens and underscores, a letter first",
        )
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        yield draft.finding(keys, value, f"must be text, not {kind(value)}", f'put quotes around it: "{plain(value)}"')
    elif not re.fullmatch(r"[A-Za-z0-9_./-]+", str(value)):
        yield draft.finding(
            keys,
            value,
            "Mesos cannot read this value of an attribute",
            "letters, digits, dots, slashes, hyphens and underscores",
        )


def _quoted(key: str, value: Any) -> str:
    if isinstance(value, list):
        return f'put quotes around it: {key}: "[{",".join(plain(item) for item in value)}]"'
    return f'write {key}: "1"'


def _ports_fault(text: str) -> tuple[str, str] | None:
    spans = port_ranges(text)
    if spans is None:
        return "not ranges of ports from 1 to 65535", 'write ports: "[31000-32000]"'
    ordered = sorted(spans)
    for before, after in pairwise(ordered):
        if after[0] <= before[1]:
            joined = f"[{before[0]}-{max(before[1], after[1])}]"
            return f"{before[0]}-{before[1]} and {after[0]}-{after[1]} overlap", f"write {joined}"
    return None


def _amount_fault(key: str, text: str) -> tuple[str, str] | None:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?" if key == "cpus" else r"[0-9]+", text):
        return None if float(text) > 0 or key == "gpus" else ("nothing is offered", f"write more than 0 {key}")
    measured = _UNIT.fullmatch(text)
    if key in ("mem", "disk"):
        amount = int(float(measured[1]) * _MEGABYTES[measured[2].lower()]) if measured else 4096
        return f"{key} is a whole number of megabytes, without a unit", f'write "{amount}"'
    return (f"{key} is a number", 'write "4", or "0.5"') if key == "cpus" else (f"{key} is a whole number", 'write "1"')
