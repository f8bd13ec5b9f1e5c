"""`bootstrap destroy`: remove what we made, by our label, and only that."""

from __future__ import annotations

import argparse

from bootstrap.errors import ExitStatus, UsageError
from bootstrap.report import Report

HELP = "remove the machines and networks that were made for an environment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Keys and secrets stay unless asked for."""
    parser.add_argument("--node", metavar="NODE", help="this machine only; the next `cluster` makes it anew")
    parser.add_argument("--state", action="store_true", help="keys, secrets, CA and journal as well")
    parser.add_argument("--yes", metavar="ENV", help="the environment's name, asked for where `production: true`")


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Machines that exist already (driver ssh) are never touched."""
    import shutil

    from bootstrap import config, drivers, paths, ssh_config
    from bootstrap.execute import exclusive

    cluster = config.load(args.env)
    if cluster.production and args.yes != cluster.env:
        raise UsageError(
            f"'{cluster.env}' is marked production: true",
            next_step=f"add --yes {cluster.env} if you mean it",
        )
    if args.node and args.node not in {node.name for node in cluster.nodes}:
        raise UsageError(f"there is no node '{args.node}'", next_step=f"bootstrap nodes --env {args.env}")
    folder = paths.state_dir(cluster.env)
    with exclusive(folder):
        ssh_config.close_masters(cluster.env)
        removed = drivers.get(cluster).destroy(args.node)
        if not args.node:
            config.forget_ids(cluster)
        if args.state:
            shutil.rmtree(folder)
    for name in removed:
        report.line(f"removed {name}")
    if report.as_json:
        report.json({"env": cluster.env, "removed": list(removed)})
    report.line(f"{cluster.env}: {len(removed)} removed")
    return ExitStatus.OK
