"""`bootstrap ssh NODE [-- command]`: OpenSSH with the environment's key, host keys and addresses."""

from __future__ import annotations

import argparse

from bootstrap.errors import ExitStatus
from bootstrap.report import Report

HELP = "open a shell on a node, or run a command there"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The node, and what to run there."""
    parser.add_argument("node", metavar="NODE")
    parser.add_argument("remote", nargs="*", metavar="COMMAND", help="after --, with its arguments")


def run(args: argparse.Namespace, report: Report) -> ExitStatus:  # noqa: ARG001 - OpenSSH does the talking
    """Becomes ssh: its exit status, which is the command's, is ours."""
    import os

    from bootstrap import config, ssh_config, whose_machines
    from bootstrap.errors import UsageError

    cluster = config.load(args.env)
    names = [node.name for node in cluster.nodes]
    if args.node not in names:
        raise UsageError(f"there is no node '{args.node}' in '{cluster.env}'", next_step=f"one of: {', '.join(names)}")
    whose_machines.refuse(cluster)
    path = ssh_config.path_of(cluster.env)
    if not path.exists():
        raise UsageError(
            f"environment '{cluster.env}' has no machines yet", next_step=f"bootstrap cluster --env {args.env}"
        )
    ssh_config.control_folder(cluster.env)  # /tmp may have been emptied since
    os.execvp("ssh", ["ssh", "-F", str(path), args.node, "--", *args.remote])  # noqa: S606
