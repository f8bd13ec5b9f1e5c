"""How each node of an environment on existing hosts is reached: user, port, key, jump hosts. Pure but for `look_up`.

What `driver.hosts` says of a node comes first, then the operator's ssh_config where one is named, then `driver`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap import ranges
from bootstrap.model import Cluster, Machine, Node

SSH_PORT = 22
JUMP = "jump."  # before the address: no node is called so, for a name has no dot


@dataclass(frozen=True, slots=True)
class Found:
    """What an ssh_config says of a name; empty where it says nothing."""

    address: str = ""
    port: int = 0
    user: str = ""
    key: str = ""
    jump: tuple[Mapping[str, Any], ...] = ()


LookUp = Callable[[str], Found]


def nothing(_name: str) -> Found:
    """Where no ssh_config is named."""
    return Found()


def own(cluster: Cluster) -> Mapping[str, Mapping[str, Any]]:
    """node -> its part of `driver.hosts`, ranges expanded."""
    hosts: Mapping[str, Mapping[str, Any]] = cluster.driver_settings.get("hosts") or {}
    return {name: entry for pattern, entry in hosts.items() for name in ranges.expand(pattern)}


def machines(cluster: Cluster, look_up: LookUp = nothing) -> tuple[Machine, ...]:
    """Every node's machine, with no host keys yet."""
    settings, entries = cluster.driver_settings, own(cluster)

    def path(text: object) -> str:
        return str(cluster.path.parent / Path(str(text)).expanduser()) if text else ""

    @functools.cache
    def hop(address: str, user: str, port: int, key: str, before: Machine | None) -> Machine:
        return Machine(f"{JUMP}{address}", address, port, user, (), key, not key, "", before)

    def through(hops: Sequence[Mapping[str, Any]], user: str, key: str) -> Machine | None:
        last: Machine | None = None
        for each in hops:
            seen = look_up(str(each["address"]))
            last = hop(
                seen.address or str(each["address"]),
                str(each.get("user") or seen.user or user),
                int(each.get("port") or seen.port or SSH_PORT),
                path(each.get("key")) or seen.key or key,
                last,
            )
        return last

    def machine(node: Node) -> Machine:
        entry, seen = entries.get(node.name, {}), look_up(node.name)
        user = str(entry.get("user") or seen.user or settings.get("user") or "root")
        key = path(entry.get("key")) or seen.key or path(settings.get("key"))
        jump = entry["jump"] if "jump" in entry else (seen.jump or settings.get("jump") or ())
        password = str(entry.get("sudo_password") or settings.get("sudo_password") or "") if user != "root" else ""
        return Machine(
            node=node.name,
            address=seen.address or str(node.address),
            port=int(entry.get("port") or seen.port or settings.get("port") or SSH_PORT),
            user=user,
            host_keys=(),
            key=key,
            agent=bool(settings.get("agent", not key)),
            sudo_password=password if password in ("", "ask") else path(password),
            through=through(jump, str(settings.get("user") or "root"), path(settings.get("key"))),
        )

    return tuple(machine(node) for node in cluster.nodes)


def given_keys(cluster: Cluster) -> Mapping[str, tuple[str, ...]]:
    """Node, or jump host as it is called here -> host keys of the topology: fingerprints, or whole keys."""
    entries = {name: entry for name, entry in own(cluster).items() if entry.get("host_key")}
    given = {name: _texts(entry["host_key"]) for name, entry in entries.items()}
    lists = [cluster.driver_settings.get("jump") or (), *(entry.get("jump") or () for entry in own(cluster).values())]
    for hops in lists:
        for each in hops:
            if each.get("host_key"):
                given[f"{JUMP}{each['address']}"] = _texts(each["host_key"])
    return given


def _texts(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
