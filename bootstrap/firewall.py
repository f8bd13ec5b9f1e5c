"""Which ports must be open from where, from the role table and a topology. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.model import BASE_ROLE, CALLERS, Cluster, Role

EVERY_NODE = CALLERS[0]
_AGENT = "mesos-agent"
_TASKS = "31000-32000"  # what an agent offers where the topology does not say
_RANGE = re.compile(r"\[([0-9]+-[0-9]+)\]")


@dataclass(frozen=True, slots=True)
class Rule:
    """`callers` may open connections to `ports` of the nodes with `role`."""

    role: str
    what: str
    ports: str
    protocol: str
    callers: tuple[str, ...]

    def as_json(self, cluster: Cluster) -> dict[str, Any]:
        """With addresses: "operator" and "users" are not ours to know."""
        return {
            "to": self.role,
            "what": self.what,
            "ports": self.ports,
            "protocol": self.protocol,
            "from": list(self.callers),
            "to_addresses": _addresses(cluster, self.role),
            "from_addresses": list(dict.fromkeys(a for c in self.callers for a in _addresses(cluster, c))),
        }


def rules(roles: Mapping[str, Role], tasks: Iterable[str] = (_TASKS,)) -> tuple[Rule, ...]:
    """One per port of the table, and one per range that tasks get."""
    found = [
        Rule(role.name, port.name, str(port.number), port.protocol, role.callers.get(port.name) or (EVERY_NODE,))
        for role in roles.values()
        for port in role.ports
    ]
    found += [Rule(_AGENT, "tasks", ports, "tcp", (EVERY_NODE,)) for ports in tasks if _AGENT in roles]
    return tuple(found)


def of(cluster: Cluster) -> tuple[Rule, ...]:
    """Those of the roles that a node of this environment has; callers likewise."""
    used = {BASE_ROLE, *(role for node in cluster.nodes for role in node.roles)}
    offered = (_RANGE.findall(node.resources.get("ports", "")) or [_TASKS] for node in cluster.with_role(_AGENT))
    tasks = dict.fromkeys(ports for ranges in offered for ports in ranges)
    known = {name: role for name, role in cluster.roles.items() if name in used}
    found = rules(known, tasks)
    return tuple(
        Rule(r.role, r.what, r.ports, r.protocol, tuple(c for c in r.callers if c in used or c in CALLERS))
        for r in found
    )


def markdown(found: Iterable[Rule]) -> str:
    """The matrix of docs/operations.md."""
    lines = ["| to nodes with role | port | what | from |", "|---|---|---|---|"]
    lines += [f"| {r.role} | {r.ports}/{r.protocol} | {r.what} | {', '.join(r.callers)} |" for r in found]
    return "\n".join(lines)


def _addresses(cluster: Cluster, name: str) -> list[str]:
    nodes = cluster.nodes if name == EVERY_NODE else cluster.with_role(name)
    return [str(node.address) for node in nodes]
