"""`bootstrap validate`: every error of an environment's files at once."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bootstrap.errors import ExitStatus
from bootstrap.report import Report

if TYPE_CHECKING:
    from bootstrap.config import Checked

HELP = "check the files of an environment: every error at once, each with file, path, value and fix"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Read the files alone: nothing is connected to, nothing written. Raises InvalidFilesError."""
    from bootstrap import config

    checked = config.check(args.env)
    if checked.cluster is None:
        for warning in checked.warnings:
            report.line(f"warning: {warning}")
        raise config.InvalidFilesError(args.env, checked.findings)
    if report.as_json:
        report.json(_document(checked))
    for warning in checked.warnings:
        report.line(f"warning: {warning}")
    report.line(_summary(checked))
    return ExitStatus.OK


def _document(checked: Checked) -> dict[str, object]:
    return {
        "env": checked.env,
        "nodes": len(checked.cluster.nodes) if checked.cluster else 0,
        "roles": _roles(checked),
        "findings": [finding.as_json() for finding in checked.findings],
    }


def _summary(checked: Checked) -> str:
    document = _document(checked)
    warnings = len(checked.warnings)
    found = f"{warnings} warning{'s' if warnings > 1 else ''}" if warnings else "no findings"
    nodes, roles = document["nodes"], len(_roles(checked))
    return f"{checked.env}: {nodes} node{'' if nodes == 1 else 's'}, {roles} roles, {found}"


def _roles(checked: Checked) -> list[str]:
    """The roles that a node has, `base` among them, in the order of the role table."""
    cluster = checked.cluster
    return [role for role in cluster.roles if cluster.with_role(role)] if cluster else []
