"""Rules about how far the ZooKeeper ensemble may change in one run: its data is only on the members it had."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.checks.draft import Draft
from bootstrap.checks.finding import Finding

ZOOKEEPER = "zookeeper"


def grown(draft: Draft) -> Iterator[Finding]:
    """One new member at a time, and never as many as agree without the others: they start empty."""
    if not draft.complete or not draft.members:
        return
    now = [name for _, name in draft.with_role(ZOOKEEPER)]
    new = [(entry, name) for entry, name in draft.with_role(ZOOKEEPER) if name not in draft.members]
    if not new or (len(new) == 1 and len(new) < _majority(len(now))):
        return
    entry, first = new[0]
    names = ", ".join(name for _, name in new)
    yield draft.finding(
        draft.gives(entry, ZOOKEEPER)[0],
        names,
        f"{len(new)} of {_members(len(now))} would be new, and start without data: {_threat(len(new), len(now))}. "
        f"At the last run there {_were(draft.members)}",
        f"keep the members there were, add {first} alone, run bootstrap cluster, then the next "
        f"(docs/operations.md, ZooKeeper); if their data is gone for good, remove {draft.members_in}",
    )


def shrunk(draft: Draft) -> Iterator[Finding]:
    """Those that stay have everything that was agreed, and those that go cannot agree among themselves."""
    if not draft.complete or not draft.members:
        return
    now = {name for _, name in draft.with_role(ZOOKEEPER)}
    gone = [name for name in draft.members if name not in now]
    most = _majority(len(draft.members)) - 1
    if not now or len(gone) <= most:
        return
    yield draft.finding(
        ("nodes",),
        ", ".join(gone),
        f"{len(gone)} of {_members(len(draft.members))} would leave at once: what they alone have agreed on would be "
        "lost, and while they run they are a majority of their own",
        (
            f"take away {'one' if most == 1 else f'at most {most}'} at a time, and run bootstrap cluster between "
            if most
            else "add the new one first, run bootstrap cluster, then take this one away "
        )
        + f"(docs/operations.md, ZooKeeper); if their data is gone for good, remove {draft.members_in}",
    )


def is_a_step(draft: Draft, count: int) -> bool:
    """Whether so many members are on the way from the last run's number to another: one more, one less, or as many."""
    return bool(draft.members) and abs(count - len(draft.members)) <= 1


def _majority(count: int) -> int:
    return count // 2 + 1


def _threat(new: int, count: int) -> str:
    if new >= _majority(count):
        return "they are a majority, and would agree on an empty tree"
    return "with one that lags behind they are a majority, and what the others agreed on is lost"


def _members(count: int) -> str:
    return f"{count} member{'' if count == 1 else 's'}"


def _were(names: tuple[str, ...]) -> str:
    return f"{'was' if len(names) == 1 else 'were'} {', '.join(names)}"
