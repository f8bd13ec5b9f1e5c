"""`bootstrap env`: the environments that are administered from here, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bootstrap.errors import ExitStatus, UsageError
from bootstrap.report import Report

HELP = "list, show and compare environments, and carry versions from one to another"
_NAMES = {"list": (0, 0), "show": (0, 1), "diff": (2, 2), "promote": (2, 2)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which environments."""
    parser.add_argument(
        "action",
        choices=list(_NAMES),
        help="list: all of them; show [A]: one; diff A B: in what they differ; "
        "promote A B: give B the versions that A has, by writing B's cluster.yaml",
    )
    parser.add_argument(
        "names", nargs="*", metavar="ENV", help="a name under pillar/env, or the path of a cluster.yaml"
    )
    parser.add_argument("--dry-run", action="store_true", help="promote: tell what would be written, write nothing")


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Reads files alone; `promote` writes one of them."""
    least, most = _NAMES[args.action]
    if not least <= len(args.names) <= most:
        wanted = {0: "no environment", 1: "one environment", 2: "two environments"}[most]
        raise UsageError(f"env {args.action} takes {wanted}", next_step="bootstrap env --help")
    if args.dry_run and args.action != "promote":
        raise UsageError("--dry-run is for env promote", next_step="leave it out: nothing else writes anything")
    actions = {"list": _list, "show": _show, "diff": _diff, "promote": _promote}
    return actions[args.action](args, report)


def _list(_args: argparse.Namespace, report: Report) -> ExitStatus:
    from bootstrap import config

    rows = [_row(name) for name in config.environments()]
    report.table(list(rows[0]) if rows else ["env"], [list(row.values()) for row in rows])
    if report.as_json:
        report.json({"environments": rows})
    return ExitStatus.OK


def _row(name: str) -> dict[str, Any]:
    from bootstrap import config, environments

    checked = config.check(name)
    cluster = checked.cluster
    errors = sum(finding.severity == "error" for finding in checked.findings)
    return {
        "env": name,
        "driver": cluster.driver if cluster else "-",
        "production": ("yes" if cluster.production else "no") if cluster else "-",
        "nodes": len(cluster.nodes) if cluster else "-",
        "files": "sound" if cluster else f"{errors} errors",
        "last run": environments.last_run(name),
    }


def _show(args: argparse.Namespace, report: Report) -> ExitStatus:
    from bootstrap import config, environments

    cluster = config.load(*(args.names or [args.env]))
    facts = {
        "env": cluster.env,
        "file": str(cluster.path),
        **environments.facts(cluster),
        "last run": environments.last_run(cluster.env),
    }
    report.table(["what", "value"], [(name, _said(value)) for name, value in facts.items()])
    if report.as_json:
        report.json(facts)
    return ExitStatus.OK


def _diff(args: argparse.Namespace, report: Report) -> ExitStatus:
    from bootstrap import config, environments

    first, second = (config.load(name) for name in args.names)
    rows = environments.differences(first, second)
    if report.as_json:
        found = [{"what": what, first.env: ours, second.env: theirs} for what, ours, theirs in rows]
        report.json({"environments": [first.env, second.env], "differences": found})
    elif rows:
        report.table(
            ["what", first.env, second.env], [(what, _said(ours), _said(theirs)) for what, ours, theirs in rows]
        )
    report.line(f"{first.env} and {second.env}: {len(rows)} differences")
    return ExitStatus.OK


def _promote(args: argparse.Namespace, report: Report) -> ExitStatus:
    from bootstrap import config, environments

    source, target = (config.load(name) for name in args.names)
    promoted = environments.promotion(source, target)
    written = promoted.text != Path(promoted.path).read_text(encoding="utf-8")
    if written and not args.dry_run:
        environments.write(promoted, target)
    for warning in promoted.warnings:
        report.line(f"warning: {warning}")
    rows = [(change.artifact, change.before, change.after) for change in promoted.changes]
    if rows:
        report.table(["artifact", promoted.target, f"from {promoted.source}"], rows)
    if report.as_json:
        changes = [{"artifact": name, "before": before, "after": after} for name, before, after in rows]
        facts = {"from": promoted.source, "to": promoted.target, "file": promoted.path, "changes": changes}
        report.json({**facts, "written": written and not args.dry_run, "warnings": list(promoted.warnings)})
    report.line(_verdict(promoted.path, len(rows), written, args.dry_run))
    if written and not args.dry_run:
        report.line(f"next: git diff {promoted.path}; bootstrap cluster --env {args.names[1]}")
    return ExitStatus.OK


def _verdict(path: str, changes: int, written: bool, dry_run: bool) -> str:
    versions = f"{changes} version{'' if changes == 1 else 's'} changed" if changes else "no version changed"
    if not written:
        return f"{path}: {versions}, and all are written there already"
    return f"{path}: {versions}; " + ("would be written, nothing was touched" if dry_run else "written, all pinned")


def _said(value: Any) -> str:
    if value is None:
        return "-"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
