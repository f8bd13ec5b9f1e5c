"""Rule: what listens on one node listens on ports of its own, and Mesos hands out none of them to tasks."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.checks.draft import Draft, Entry
from bootstrap.checks.finding import Finding
from bootstrap.checks.resources import port_ranges
from bootstrap.model import BASE_ROLE, Port


def collisions(draft: Draft) -> Iterator[Finding]:
    """Two roles of one node want the same port."""
    known: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for entry in draft.entries:
        if entry.roles not in known:
            known[entry.roles] = _collisions(draft, entry)
        for message, fix in known[entry.roles]:
            yield draft.finding((*entry.keys, "roles"), list(entry.roles), message, fix)


def offered(draft: Draft) -> Iterator[Finding]:
    """A port that Mesos hands out to tasks is one that a role of the node listens on."""
    for entry in draft.entries:
        text = entry.resources.get("ports")
        spans = port_ranges(text) if isinstance(text, str) else None
        own = list(_listening(draft, entry))
        for role, port in own if spans else ():
            if any(first <= port.number <= last for first, last in spans or ()):
                yield draft.finding(
                    (*entry.keys, "resources", "ports"),
                    text,
                    f"hands out port {port.number}, on which {role} listens ({port.name})",
                    _without(spans or [], {port.number for _, port in own}),
                )


def _collisions(draft: Draft, entry: Entry) -> list[tuple[str, str]]:
    owner: dict[tuple[int, str], tuple[str, Port]] = {}
    found = []
    for role, port in _listening(draft, entry):
        other = owner.setdefault((port.number, port.protocol), (role, port))
        if other[1] is not port:
            found.append(
                (
                    f"{other[0]} ({other[1].name}) and {role} ({port.name}) both listen on "
                    f"{port.number}/{port.protocol}",
                    "put them on different nodes",
                )
            )
    return found


def _listening(draft: Draft, entry: Entry) -> Iterator[tuple[str, Port]]:
    for name in (BASE_ROLE, *entry.roles):
        if name in draft.roles:
            for port in draft.roles[name].ports:
                yield name, port


def _without(spans: list[tuple[int, int]], numbers: set[int]) -> str:
    """The fix: the same ranges with the numbers left out."""
    kept = []
    for first, last in spans:
        start = first
        for number in sorted(number for number in numbers if first <= number <= last):
            kept.append((start, number - 1))
            start = number + 1
        kept.append((start, last))
    text = ",".join(f"{first}-{last}" for first, last in kept if first <= last)
    return f'write "[{text}]"' if text else "choose ports that no role of the node listens on"
