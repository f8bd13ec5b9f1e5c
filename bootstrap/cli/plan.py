"""`bootstrap plan`: what `bootstrap cluster` would do, and everything it derives."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bootstrap.errors import ExitStatus
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.plan import Plan

HELP = "show phases, nodes and derived values of an environment; connects to nothing and writes nothing"
_SHOWN = 6  # names in one cell


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Print the very object that `bootstrap cluster` executes."""
    from bootstrap import config, plan

    made = plan.make(config.load(args.env))
    if report.as_json:
        report.json(made.as_json())
        return ExitStatus.OK
    report.table(
        ["phase", "after", "components", "nodes"],
        [
            (phase.name, ", ".join(phase.needs) or "-", ", ".join(phase.components) or "-", brief(phase.nodes))
            for phase in made.phases
        ],
    )
    report.line()
    report.table(["derived", "value"], derived_rows(made))
    report.line()
    report.table(["nodes", "components", "secrets"], _kind_rows(made))
    report.line()
    report.line(f"{made.env}: {len(made.cluster.nodes)} nodes, {len(made.phases)} phases; nothing was touched")
    return ExitStatus.OK


def derived_rows(plan: Plan) -> list[tuple[str, str]]:
    """What follows from the topology, by name."""
    pillar = plan.pillar
    ensemble = ", ".join(f"{member['name']} = {member['id']}" for member in pillar["zookeeper"]["ensemble"])
    return [
        ("zookeeper ids", ensemble or "-"),
        ("zookeeper connect", pillar["zookeeper"]["connect"] or "-"),
        ("mesos quorum", f"{pillar['mesos']['quorum']} of {len(pillar['mesos']['masters'])} masters"),
        ("mesos cluster", pillar["mesos"]["cluster"]),
        ("artifact server", pillar["artifacts"]["url"]),
        ("artifacts", ", ".join(plan.artifacts) or "-"),
        ("lab machines", "yes" if pillar["lab"] else "no"),
    ]


def brief(names: Sequence[str]) -> str:
    """A few names, or the first, the last and how many."""
    if len(names) <= _SHOWN:
        return ", ".join(names) or "-"
    return f"{names[0]}, {names[1]} ... {names[-1]} ({len(names)})"


def _kind_rows(plan: Plan) -> list[tuple[str, str, str]]:
    """Nodes that are treated alike, in one row."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for name, pillar in plan.node_pillar.items():
        kind = (", ".join(pillar["components"]), ", ".join(plan.secrets[name]) or "-")
        kinds.setdefault(kind, []).append(name)
    return [(brief(names), components, secrets) for (components, secrets), names in kinds.items()]
