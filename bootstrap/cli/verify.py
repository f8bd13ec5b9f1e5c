"""`bootstrap verify`: prove, node by node, that every role does its job."""

from __future__ import annotations

import argparse
import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bootstrap.errors import ExitStatus, UsageError
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.verify import Check

HELP = "prove with Testinfra that every node does its job"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Both may be repeated; together they narrow."""
    parser.add_argument("--role", action="append", default=[], metavar="ROLE", help="the checks of this role only")
    parser.add_argument("--node", action="append", default=[], metavar="NODE", help="the checks on this node only")


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Exit status 13 (verify) when a check failed, or when the checks did not run."""
    from bootstrap import config, verify, whose_machines

    cluster = config.load(args.env)
    known("role", args.role, cluster.roles, f"bootstrap plan --env {args.env}")
    known("node", args.node, [node.name for node in cluster.nodes], f"bootstrap nodes --env {args.env}")
    if not verify.expected_nodes(cluster, args.role, args.node):
        asked = " and ".join([*(f"role {role}" for role in args.role), *(f"node {node}" for node in args.node)])
        raise UsageError(f"nothing to verify: no node fits {asked}", next_step=f"bootstrap nodes --env {args.env}")
    whose_machines.refuse(cluster)
    verdict = verify.verify(
        cluster,
        lambda node, text: report.progress("verify", text, node=node),
        roles=args.role,
        nodes=args.node,
    )
    if report.as_json:
        report.json(verdict.as_json())
        return ExitStatus.OK if verdict.ok else ExitStatus.VERIFY
    report.table(["role", "checks", "passed", "failed"], rows(verdict.checks))
    verdict.raise_if_failed()
    report.line(f"{verdict.env}: {verdict.passed} checks passed in {verdict.seconds:.1f} s")
    return ExitStatus.OK


def known(kind: str, asked: Iterable[str], names: Iterable[str], listing: str) -> None:
    """Raises UsageError for a name that does not exist."""
    names = list(names)
    for name in asked:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            cause = f"did you mean '{near[0]}'?" if near else ""
            raise UsageError(f"there is no {kind} '{name}'", cause=cause, next_step=listing)


def rows(checks: Sequence[Check]) -> list[tuple[str, int, int, int]]:
    """A row per role."""
    all_of_it = Counter(check.role for check in checks)
    failed = Counter(check.role for check in checks if check.why)
    return [(role, count, count - failed[role], failed[role]) for role, count in all_of_it.items()]
