"""Which nodes were found good, and as what: state/<env>/preflight.json.

A node that was found good as what it is now is not asked again by the next run. And what a run of ours set up is known
by it: the data of any other role is somebody else's.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from bootstrap import paths
from bootstrap.model import Cluster, Machine
from bootstrap.preflight import needs

_FILE = "preflight.json"
_FORMAT = 1  # raise when nodes that were found good have to be asked again
_GOOD_FOR = 24 * 3600.0  # seconds; disks fill, clocks drift


@dataclass(frozen=True, slots=True)
class Entry:
    """Of one node: what was asked of it, which machine it was, what was set up there since, and when (epoch)."""

    key: str
    machine: str
    roles: tuple[str, ...]
    at: float


def read(env: str) -> dict[str, Entry]:
    """What earlier runs found; nothing where the file is damaged: then all nodes are asked again."""
    try:
        rows = json.loads((paths.state_path(env) / _FILE).read_text(encoding="utf-8"))
        return {node: Entry(row["key"], row["machine"], tuple(row["roles"]), row["at"]) for node, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def keep(cluster: Cluster, machines: Iterable[Machine], nodes: Iterable[str]) -> None:
    """`nodes` were found good."""
    chosen, entries, wanted = set(nodes), read(cluster.env), keys(cluster)
    roles = {node.name: node.roles for node in cluster.nodes}
    for machine in machines:
        if machine.node in chosen:
            before = entries.get(machine.node)
            ours = before.roles if before and before.machine == identity(machine) else ()
            entries[machine.node] = Entry(
                wanted[machine.node],
                identity(machine),
                tuple(dict.fromkeys((*ours, *roles[machine.node]))),
                time.time(),
            )
    folder = paths.state_dir(cluster.env)
    draft = folder / f".{_FILE}.{os.getpid()}"
    draft.write_text(json.dumps({node: asdict(entry) for node, entry in entries.items()}, indent=1), encoding="utf-8")
    draft.replace(folder / _FILE)


def unknown(cluster: Cluster, machines: Iterable[Machine]) -> list[str]:
    """Nodes that were not found good as what they are now, or too long ago."""
    entries, wanted, now = read(cluster.env), keys(cluster), time.time()
    return [
        machine.node
        for machine in machines
        if (entry := entries.get(machine.node)) is None
        or (entry.key, entry.machine) != (wanted[machine.node], identity(machine))
        or not 0 <= now - entry.at < _GOOD_FOR
    ]


def owned(entries: Mapping[str, Entry], machine: Machine, roles: tuple[str, ...], *, trusts_us: bool) -> frozenset[str]:
    """Roles that we set up on a machine. Its minion trusts our master from the phase on that comes before them."""
    if not trusts_us:
        return frozenset()
    entry = entries.get(machine.node)
    return frozenset(entry.roles if entry and entry.machine == identity(machine) else roles)


def identity(machine: Machine) -> str:
    """Which machine it is, by its host keys."""
    return _sum(sorted(machine.host_keys))


def keys(cluster: Cluster) -> dict[str, str]:
    """Node -> a sum over what is asked of it."""
    ways: dict[str, list[str]] = {node.name: [] for node in cluster.nodes}
    for way in needs.ways(cluster):
        ways[way.source].append(f"{way.target}:{way.port.number}")
    addresses = [str(node.address) for node in cluster.nodes]
    return {
        node.name: _sum(
            _FORMAT,
            [str(node.address), cluster.domain, list(node.roles)],
            asdict(needs.of(cluster, node)),
            sorted(ways[node.name]) if len(addresses) < 200 else len(addresses),  # a sum of sums would take seconds
            sorted(cluster.waivers),
        )
        for node in cluster.nodes
    }


def _sum(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
