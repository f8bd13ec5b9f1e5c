"""`bootstrap cluster`: make the platform, or bring it back to what the files say."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bootstrap.errors import ExitStatus
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.execute import Outcome
    from bootstrap.model import Cluster
    from bootstrap.plan import Plan

HELP = "make the platform of an environment, or bring it back to what its files say"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Phases are those that `bootstrap plan` lists."""
    phases = parser.add_mutually_exclusive_group()
    phases.add_argument("--only", type=_names, default=[], metavar="PHASE[,PHASE]", help="run these phases only")
    phases.add_argument("--from", dest="start", default="", metavar="PHASE", help="start with this phase")
    parser.add_argument("--skip", type=_names, default=[], metavar="PHASE[,PHASE]", help="leave these phases out")
    parser.add_argument(
        "--restart-anyway",
        type=_names,
        default=[],
        metavar="SERVICE[,SERVICE]",
        help="restart these services even where they refuse to, since their cluster is not whole (elasticsearch)",
    )


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Execute the very plan that `bootstrap plan` prints."""
    from bootstrap import config, paths, plan, state_folder
    from bootstrap.cli.verify import known
    from bootstrap.execute import exclusive, execute, select
    from bootstrap.journal import Journal
    from bootstrap.phases import Context

    made = plan.make(config.load(args.env))
    phases = select(made, only=args.only, start=args.start, skip=args.skip)
    known("service", args.restart_anyway, services(made.cluster), f"bootstrap plan --env {args.env}")
    context = Context(made, report.progress, restart_anyway=args.restart_anyway)
    folder = paths.state_dir(made.env)
    with exclusive(folder):
        state_folder.claim(made.cluster)
        outcome = execute(made, phases, context, Journal(folder))
    if report.as_json:
        report.json(outcome.as_json())
    else:
        _print(made, outcome, report)
    return outcome.status


def _print(plan: Plan, outcome: Outcome, report: Report) -> None:
    from bootstrap.cli.nodes import node_rows, url_rows
    from bootstrap.execute import changes_by_node

    for error in outcome.errors:
        report.error(error)
    if not outcome.errors:
        changed = changes_by_node(outcome.phases)
        report.table(["node", "address", "roles", "changes"], node_rows(plan.cluster, changed))
        report.line()
        report.table(["what", "where", "login"], url_rows(plan))
        report.line()
    rows = [(phase.name, phase.changes, f"{phase.seconds:.1f}") for phase in outcome.phases]
    report.table(["phase", "changes", "seconds"], rows)
    for phase in outcome.phases:
        for note in phase.result.notes:
            report.line(f"{phase.name}: {note}")
    verdict = "failed" if outcome.errors else "done"
    report.line(f"{plan.env}: {verdict}, {outcome.changes} changes in {outcome.seconds:.1f} s")


def services(cluster: Cluster) -> list[str]:
    """The services that are restarted node by node."""
    return [service for role in cluster.roles.values() for service in role.beside_roles(cluster.roles).restart]


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]
