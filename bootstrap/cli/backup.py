"""`bootstrap backup`: keep what the services hold somewhere else, and prove that it can be read again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from bootstrap.errors import ExitStatus, UsageError
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.backups import Backup, Keeper
    from bootstrap.health import View

HELP = "take a backup of what services hold, list them, or prove that one can be read"
LATEST = "latest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Without an option a backup is taken."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="the backups there are")
    what.add_argument(
        "--verify",
        metavar="NAME",
        help=f"look at the whole of one, and bring a part of it back beside what is there ('{LATEST}': the newest)",
    )
    parser.add_argument("--only", action="append", default=[], metavar="ROLE", help="of this role only")


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Exit status 18 (backup) when one cannot be taken or is not complete."""
    view, chosen = _chosen(args)
    if args.list:
        found = [backup for keeper in chosen.values() for backup in keeper.listing(view)]
        _show(found, report)
        return ExitStatus.OK if all(backup.whole for backup in found) else ExitStatus.BACKUP
    if args.verify:
        return _verify(args.verify, view, chosen, report)
    _show([keeper.take(view, _teller(report, role)) for role, keeper in chosen.items()], report)
    return ExitStatus.OK


def _chosen(args: argparse.Namespace) -> tuple[View, dict[str, Keeper]]:
    from bootstrap import backups, config, status, whose_machines
    from bootstrap.cli.verify import known
    from bootstrap.health import View

    cluster = config.load(args.env)
    there = {role: keeper for role, keeper in backups.keepers().items() if cluster.with_role(role)}
    known("backup of role", args.only, there, f"bootstrap nodes --env {args.env}")
    if not there:
        raise UsageError("no role of this environment holds what could be kept", next_step="bootstrap nodes")
    whose_machines.refuse(cluster)
    view = View(cluster, logins=status.logins(cluster.env))
    return view, {role: keeper for role, keeper in there.items() if not args.only or role in args.only}


def _verify(name: str, view: View, chosen: dict[str, Keeper], report: Report) -> ExitStatus:
    proofs = []
    for role, keeper in chosen.items():
        wanted = name
        if name == LATEST:
            names = [backup.name for backup in keeper.listing(view)]
            if not names:
                raise UsageError(f"there is no backup of {role} yet", next_step="bootstrap backup")
            wanted = names[-1]
        proofs.append(keeper.prove(view, wanted, _teller(report, role)))
    if report.as_json:
        report.json({"env": view.cluster.env, "verified": [proof.as_json() for proof in proofs]})
    for proof in proofs:
        report.line(
            f"{proof.role}: {proof.name} holds {proof.parts} indices, whole; {proof.members} members reach it; "
            + (f"{proof.restored} was restored with {proof.lines} lines and removed again " if proof.restored else "")
            + f"({proof.seconds:.1f} s)"
        )
    return ExitStatus.OK


def _show(found: list[Backup], report: Report) -> None:
    if report.as_json:
        report.json({"backups": [backup.as_json() for backup in found]})
        return
    rows = [
        (
            backup.role,
            backup.name,
            backup.taken,
            len(backup.parts),
            _bytes(backup.size),
            f"{backup.seconds:.1f}",
            "whole" if backup.whole else "NOT COMPLETE",
        )
        for backup in found
    ]
    report.table(["role", "name", "taken", "indices", "size", "seconds", "state"], rows)


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def _teller(report: Report, role: str) -> Callable[[str], None]:
    return lambda text: report.progress(role, text)
