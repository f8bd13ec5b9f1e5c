"""Rules about who is there: counts, needed roles, and the pinned ids of ZooKeeper."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.checks.draft import Draft
from bootstrap.checks.ensemble_steps import ZOOKEEPER, is_a_step
from bootstrap.checks.finding import Finding, Keys
from bootstrap.model import ADMIN_ROLE, Role

_HIGHEST_ID = 255


def counts(draft: Draft) -> Iterator[Finding]:
    """A role is on as many nodes as it can be."""
    if not draft.complete:
        return
    for role in draft.roles.values():
        found = [name for _, name in draft.with_role(role.name)]
        if not role.counts or len(found) in role.counts:
            continue
        if found:
            message = f"role {role.name} is on {_nodes(len(found))}{_why_not(role, len(found))}"
            fix, severity = f"give it to {_choice(role.counts)}", "error"
            if role.name == ZOOKEEPER and len(found) < max(role.counts) and is_a_step(draft, len(found)):
                fix, severity = f"{fix} in the next run: this is a step on the way", "warning"
            yield draft.finding(("nodes",), _some(found), message, fix, severity=severity)
        elif role.name == ADMIN_ROLE:
            yield draft.finding(
                ("nodes",),
                None,
                "no node has the role admin: Salt's master and the artifact server live there",
                "give one node roles: [admin]",
            )


def needs(draft: Draft) -> Iterator[Finding]:
    """What a role needs is somewhere in the cluster."""
    if not draft.complete:
        return
    present = {role for entry in draft.entries for role in entry.roles}
    for entry in draft.entries:
        for name in entry.roles:
            for needed in draft.roles[name].needs:
                if needed in present or needed == ADMIN_ROLE or needed not in draft.roles:
                    continue
                present.add(needed)  # told once, not per node
                yield draft.finding(
                    *draft.gives(entry, name),
                    f"role {name} needs role {needed}, which no node has",
                    f"give {needed} to {_choice(draft.roles[needed].counts)}",
                )


def beside(draft: Draft) -> Iterator[Finding]:
    """What a role needs on its own node is there."""
    told: set[tuple[Keys, str, str]] = set()  # what is wrong with `everywhere` is told once, not per node
    for entry in draft.entries:
        for name in entry.roles:
            keys, listed = draft.gives(entry, name)
            for needed in draft.roles[name].beside:
                if needed in entry.roles or needed not in draft.roles or (keys, name, needed) in told:
                    continue
                told.add((keys, name, needed))
                yield draft.finding(
                    keys,
                    listed,
                    f"role {name} needs role {needed} on the same node",
                    f"write {keys[-1]}: [{', '.join(_inserted(tuple(listed), needed, name))}]",
                )


def ids(draft: Draft) -> Iterator[Finding]:
    """Every ZooKeeper node has an id of its own, 1 to 255, and no other node has one."""
    owners: dict[int, str] = {}
    for entry in draft.entries:
        keys, number = (*entry.keys, "zookeeper_id"), entry.zookeeper_id
        if ZOOKEEPER not in entry.roles:
            if number is not None:
                yield draft.finding(
                    keys, number, "an id on a node without the role zookeeper", "remove it, or add the role"
                )
        elif len(entry.names) > 1:
            yield draft.finding(
                keys,
                number,
                "a range cannot carry pinned ids, and every ZooKeeper node needs its own",
                "write these nodes one by one",
            )
        elif number is None:
            if not entry.mistyped_id:
                yield draft.finding(
                    keys,
                    None,
                    "role zookeeper needs an id that is pinned",
                    f"add zookeeper_id: {_free_id(draft, entry.names[0])}, and never change it",
                )
        elif not 1 <= number <= _HIGHEST_ID:
            yield draft.finding(
                keys, number, "an id is a number from 1 to 255", f"choose a free one: {_free_id(draft, entry.names[0])}"
            )
        elif number in owners:
            yield draft.finding(
                keys,
                number,
                f"the id {number} is that of {owners[number]}",
                f"choose a free one: {_free_id(draft, entry.names[0])}",
            )
        else:
            owners[number] = entry.key


def remembered_ids(draft: Draft) -> Iterator[Finding]:
    """An id that a node had at the last run is still its own."""
    former = {number: name for name, number in draft.remembered.items()}
    for entry, name in draft.with_role(ZOOKEEPER):
        number, before = entry.zookeeper_id, draft.remembered.get(name)
        if number is None or len(entry.names) > 1:
            continue
        if before is not None and before != number:
            yield draft.finding(
                (*entry.keys, "zookeeper_id"),
                number,
                f"was {before} at the last run: the node's data says so, and the others know it by that id",
                f"write zookeeper_id: {before}; for a new id give the node a new name, or wipe its ZooKeeper data "
                f"and remove {name} from {draft.remembered_in}",
            )
        elif before is None and number in former:
            other = former[number]
            yield draft.finding(
                (*entry.keys, "zookeeper_id"),
                number,
                f"was the id of {other}: an id that comes back with empty data can lose what was agreed",
                f"choose one that was never used: {_free_id(draft, name)}; if {other} and its data are gone for good, "
                f"remove it from {draft.remembered_in}",
            )


def spare(draft: Draft) -> Iterator[Finding]:
    """In production, what stands alone is told."""
    if not draft.production or not draft.complete:
        return
    supporting = {beside for role in draft.roles.values() for beside in role.beside}  # its user is told of already
    for role in draft.roles.values():
        found = [name for _, name in draft.with_role(role.name)]
        if len(found) == 1 and role.name != ADMIN_ROLE and role.name not in supporting:
            ensemble = len(role.counts) > 1
            yield draft.finding(
                ("nodes",),
                found[0],
                f"role {role.name} has no spare: when its only node stops, "
                + ("the whole cluster does" if ensemble else "nobody does its work"),
                f"give it to {_choice(role.counts[1:])}" if ensemble else "give it to a second node",
                severity="warning",
            )


def _free_id(draft: Draft, name: str) -> int:
    """The id to propose: the node's own at the last run, else the lowest that was never used."""
    if name in draft.remembered:
        return draft.remembered[name]
    used = {entry.zookeeper_id for entry in draft.entries} | set(draft.remembered.values())
    return next((number for number in range(1, _HIGHEST_ID + 1) if number not in used), 1)


def _why_not(role: Role, count: int) -> str:
    if len(role.counts) < 2:
        return f", and works on {_choice(role.counts)} only"
    if count == 2:
        return ": two are worse than one, since the loss of either stops both"
    if count > max(role.counts):
        return f": every write waits for a majority, so more than {max(role.counts)} only make it slower"
    return f": an even number survives no more failures than {count - 1}"


def _choice(counts: tuple[int, ...]) -> str:
    if not counts:
        return "at least one node"
    text = ", ".join(str(count) for count in counts[:-1])
    return f"{text} or {counts[-1]} nodes" if text else _nodes(counts[0])


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"


def _inserted(roles: tuple[str, ...], new: str, before: str) -> list[str]:
    at = roles.index(before)
    return [*roles[:at], new, *roles[at:]]
