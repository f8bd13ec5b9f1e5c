"""What a rule looks at: one node, or all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bootstrap.model import Cluster, Node
from bootstrap.preflight.facts import NodeFacts
from bootstrap.preflight.finding import ERROR, WARNING, Finding
from bootstrap.preflight.needs import Needs, Way


@dataclass(frozen=True, slots=True)
class Subject:
    """One node. `owned`: its roles that an earlier run of ours set up; `trusts_us`: its minion knows our master.

    `lab`: it shares a kernel with others, so that what belongs to the kernel is nobody's to change.
    """

    cluster: Cluster
    node: Node
    facts: NodeFacts
    needs: Needs
    owned: frozenset[str] = frozenset()
    trusts_us: bool = False
    lab: bool = False

    def error(self, found: str, wanted: str, why: str, fix: str) -> Finding:
        """It forbids going on."""
        return Finding(ERROR, self.node.name, found, wanted, why, fix)

    def warning(self, found: str, wanted: str, why: str, fix: str) -> Finding:
        """It is told."""
        return Finding(WARNING, self.node.name, found, wanted, why, fix)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All nodes that answered. `exact`: all tried to reach each other at the same time, while all were listening."""

    cluster: Cluster
    subjects: Mapping[str, Subject]
    ways: tuple[Way, ...] = ()
    exact: bool = True
    lab: bool = field(default=False)
