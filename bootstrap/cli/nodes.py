"""`bootstrap nodes`: the machines of an environment and where its services answer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bootstrap.errors import ExitStatus
from bootstrap.report import Report

if TYPE_CHECKING:
    from pathlib import Path

    from bootstrap.model import Cluster, Page, Role
    from bootstrap.plan import Plan

HELP = "list nodes, addresses, roles and where the services answer"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Read from the files alone: nothing is connected to."""
    from bootstrap import config, plan

    made = plan.make(config.load(args.env))
    report.table(["node", "address", "roles"], [row[:3] for row in node_rows(made.cluster, {})])
    report.line()
    report.table(["what", "where", "login"], url_rows(made))
    if report.as_json:
        nodes = [{"name": n.name, "address": str(n.address), "roles": list(n.roles)} for n in made.cluster.nodes]
        urls = [{"what": what, "where": where, "login": login} for what, where, login in url_rows(made)]
        report.json({"env": made.env, "nodes": nodes, "urls": urls})
    return ExitStatus.OK


def node_rows(cluster: Cluster, changes: Mapping[str, int]) -> list[tuple[str, str, str, int]]:
    """A row per node: name, address, roles, changes."""
    return [
        (node.name, str(node.address), ", ".join(node.roles) or "base only", changes.get(node.name, 0))
        for node in cluster.nodes
    ]


def url_rows(plan: Plan) -> list[tuple[str, str, str]]:
    """What can be looked at, where, and which file holds the login."""
    from bootstrap import paths
    from bootstrap.smoke import sample

    secrets = paths.state_dir(plan.env) / "secrets"
    rows = []
    for role in plan.cluster.roles.values():
        for node in plan.cluster.with_role(role.name):
            rows += [
                (f"{role.name} ({node.name})", page.url(str(node.address)), _login(page, role, secrets))
                for page in role.pages
            ]
    hello = sample.url(plan.cluster) if any(phase.kind == "smoke" for phase in plan.phases) else ""
    return [*rows, ("the sample application", hello, "none")] if hello else rows


def _login(page: Page, role: Role, secrets: Path) -> str:
    """A provider may do without the secret that the page names: then it asks for no login."""
    return page.login(secrets) if page.secret in role.secrets else "none"
