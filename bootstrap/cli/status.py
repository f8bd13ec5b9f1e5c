"""`bootstrap status`: one screen that says how every role is, what is wrong and what to do."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bootstrap.errors import ExitStatus
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.health import Health
    from bootstrap.status import Status

HELP = "how every role is right now, what is wrong and what to do, within three seconds"
ROWS_PER_ROLE = 8  # more nodes of one role that are all well become one row
PROBLEMS = 12  # printed; all of them with --json


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Exit status 14 (unhealthy) when anything is wrong."""
    from bootstrap import config, status

    found = status.ask(config.load(args.env))
    if report.as_json:
        report.json(found.as_json())
    else:
        report.table(["role", "node", "state", "detail"], rows(found.found))
        report.line()
        if found.figures.line:
            report.line(found.figures.line)
        _verdict(found, report)
    return found.exit_status


def rows(found: Sequence[Health]) -> list[tuple[str, str, str, str]]:
    """A row per finding; many well nodes of one role are told in one row."""
    table: list[tuple[str, str, str, str]] = []
    for role in dict.fromkeys(entry.role for entry in found):
        entries = [entry for entry in found if entry.role == role]
        well = [entry for entry in entries if entry.node and entry.state in ("ok", "unasked")]
        folded = well if len(well) > ROWS_PER_ROLE else []
        table += [
            (role, entry.node or "(all)", entry.state, entry.detail)
            for entry in sorted(entries, key=lambda entry: bool(entry.node))
            if entry not in folded
        ]
        if folded:
            table.append((role, f"{len(folded)} nodes", folded[0].state, ""))
    return table


def _verdict(found: Status, report: Report) -> None:
    problems = found.problems
    if not problems:
        report.line(f"{found.env}: all is well ({found.seconds:.1f} s)")
        return
    report.heading(f"{found.env}: {len(problems)} thing{'s' if len(problems) > 1 else ''} wrong")
    for entry in problems[:PROBLEMS]:
        report.line(f"  {entry.node or entry.role}: {entry.detail} ({entry.role})")
    if len(problems) > PROBLEMS:
        report.line(f"  and {len(problems) - PROBLEMS} more: --json has all")
    for step in next_steps(problems):
        report.line(f"next: {step}")


def next_steps(problems: Iterable[Health]) -> list[str]:
    """The commands to go on with: the cause's own first, at most three."""
    return list(dict.fromkeys(entry.next_step for entry in problems if entry.next_step))[:3]
