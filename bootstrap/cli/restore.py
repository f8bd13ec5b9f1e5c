"""`bootstrap restore`: bring back from a backup what is not there any more."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bootstrap import guard
from bootstrap.errors import ExitStatus
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.backups import Restored

HELP = "bring back log indices of a backup that are not there any more"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Without an option: what is missing, from the newest backup that is whole."""
    from bootstrap.cli.backup import LATEST

    parser.add_argument("name", nargs="?", default=LATEST, metavar="NAME", help=f"of a backup ({LATEST}: the newest)")
    parser.add_argument("--list", action="store_true", help="the backups there are; restores nothing")
    parser.add_argument(
        "--index", action="append", default=[], metavar="PATTERN", help="these of the backup only (applogs-2026-01-*)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="also what is there: what came after the backup is lost"
    )
    parser.add_argument("--only", action="append", default=[], metavar="ROLE", help="of this role only")
    guard.add_argument(parser)


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Returns when all of it can be read. Exit status 18 (backup) when it cannot, or would overwrite unasked."""
    from bootstrap.cli.backup import LATEST, chosen, newest, show_all, teller

    view, keepers = chosen(args)
    if args.list:
        return show_all(view, keepers, report)
    if args.overwrite:
        action = "replaces log indices by those of a backup"
        guard.confirm(view.cluster.env, production=view.cluster.production, action=action, given=args.yes)
    done = []
    for role, keeper in keepers.items():
        whole = [backup for backup in keeper.listing(view) if backup.whole] if args.name == LATEST else []
        name = newest(role, whole, view) if args.name == LATEST else args.name
        done.append(keeper.restore(view, name, args.index, teller(report, role), overwrite=args.overwrite))
    if report.as_json:
        report.json({"env": view.cluster.env, "restored": [restored.as_json() for restored in done]})
    for restored in done:
        _tell(restored, report)
    return ExitStatus.OK


def _tell(restored: Restored, report: Report) -> None:
    overwritten = set(restored.overwritten)
    rows: list[tuple[str, object, str]] = [
        (index, lines, "overwritten" if index in overwritten else "restored") for index, lines in restored.lines.items()
    ]
    rows += [(index, "", "there, left as it is") for index in restored.left]
    report.table(["index", "lines", "what was done"], rows)
    if restored.doomed:
        report.line(
            f"too old to be kept: {', '.join(restored.doomed)}; the next look of retention deletes them again, unless "
            "settings.elasticsearch-retention.days is raised first"
        )
    count = len(restored.lines)
    report.line(
        f"{restored.role}: {count} indices with {sum(restored.lines.values())} lines from {restored.name} "
        f"({restored.seconds:.1f} s)"
    )
