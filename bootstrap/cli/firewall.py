"""`bootstrap firewall`: which ports must be open between the nodes of an environment, and to them."""

from __future__ import annotations

import argparse

from bootstrap.errors import ExitStatus
from bootstrap.report import Report

HELP = "list the ports that must be open, and from where; with --json by address"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Read from the files alone: nothing is connected to."""
    from bootstrap import config, firewall

    cluster = config.load(args.env)
    found = firewall.of(cluster)
    report.table(
        ["to nodes with role", "port", "what", "from"],
        [(rule.role, f"{rule.ports}/{rule.protocol}", rule.what, ", ".join(rule.callers)) for rule in found],
    )
    if report.as_json:
        report.json({"env": cluster.env, "rules": [rule.as_json(cluster) for rule in found]})
    return ExitStatus.OK
