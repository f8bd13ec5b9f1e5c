"""`bootstrap backup`: keep what the services hold somewhere else, and prove that it can be read again."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
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
    view, keepers = chosen(args)
    if args.list:
        return show_all(view, keepers, report)
    if args.verify:
        return _verify(args.verify, view, keepers, report)
    taken, deleted = [], []
    for role, keeper in keepers.items():
        taken.append(keeper.take(view, teller(report, role)))
        deleted += _pruned(keeper, view, taken[-1], report)
    _show(taken, report, deleted=deleted)
    for name in deleted:
        report.line(f"deleted: {name}")
    return ExitStatus.OK


def _pruned(keeper: Keeper, view: View, taken: Backup, report: Report) -> list[str]:
    """What was deleted. That it cannot be does not hide that the new one is there."""
    from bootstrap.errors import BackupError

    try:
        return list(keeper.prune(view, teller(report, taken.role)))
    except BackupError as error:
        raise BackupError(
            f"{taken.name} was taken and is whole; older ones could not be deleted",
            where=error.where,
            lines=[error.what, *error.lines],
            cause=error.cause or "another snapshot or a restore is under way, or the place may not be written to",
            next_step=error.next_step,
        ) from error


def show_all(view: View, keepers: dict[str, Keeper], report: Report) -> ExitStatus:
    """Every backup there is."""
    found = [backup for keeper in keepers.values() for backup in keeper.listing(view)]
    _show(found, report)
    return ExitStatus.OK if all(backup.whole for backup in found) else ExitStatus.BACKUP


def chosen(args: argparse.Namespace) -> tuple[View, dict[str, Keeper]]:
    """The roles that hold something, or those that were named, and what keeps their data."""
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


def newest(role: str, found: Sequence[Backup], view: View) -> str:
    """The name of the last one. Raises UsageError where there is none."""
    if not found:
        raise UsageError(f"there is no backup of {role} yet", next_step=view.command("backup"))
    return found[-1].name


def _verify(name: str, view: View, keepers: dict[str, Keeper], report: Report) -> ExitStatus:
    proofs = []
    for role, keeper in keepers.items():
        wanted = newest(role, keeper.listing(view), view) if name == LATEST else name
        proofs.append(keeper.prove(view, wanted, teller(report, role)))
    if report.as_json:
        report.json({"env": view.cluster.env, "verified": [proof.as_json() for proof in proofs]})
    for proof in proofs:
        report.line(
            f"{proof.role}: {proof.name} holds {proof.parts} indices, whole; {proof.members} members reach it; "
            + (f"{proof.restored} was restored with {proof.lines} lines and removed again " if proof.restored else "")
            + f"({proof.seconds:.1f} s)"
        )
    return ExitStatus.OK


def _show(found: list[Backup], report: Report, **more: object) -> None:
    if report.as_json:
        report.json({"backups": [backup.as_json() for backup in found], **more})
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


def teller(report: Report, role: str) -> Callable[[str], None]:
    """What a keeper says of how far it is."""
    return lambda text: report.progress(role, text)
