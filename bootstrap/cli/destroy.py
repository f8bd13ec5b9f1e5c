"""`bootstrap destroy`: remove what we made, by our label, and only that."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bootstrap import guard
from bootstrap.errors import ExitStatus, InvalidTopologyError, UsageError
from bootstrap.report import Report

HELP = "remove the machines and networks that were made for an environment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Keys and secrets stay unless asked for."""
    parser.add_argument("--node", metavar="NODE", help="this machine only; the next `cluster` makes it anew")
    parser.add_argument("--state", action="store_true", help="keys, secrets, CA and journal as well")
    guard.add_argument(parser)


def run(args: argparse.Namespace, report: Report) -> ExitStatus:
    """Machines that exist already (driver ssh) are never touched."""
    import shutil

    from bootstrap import config, paths, ssh_config, state_folder
    from bootstrap.execute import exclusive

    env, remove = _target(args, report)
    folder = paths.state_dir(env)
    with exclusive(folder):
        ssh_config.close_masters(env)
        removed = remove()
        if not args.node:
            config.forget_ids(env)
            state_folder.release(env)
        if args.state:
            shutil.rmtree(folder)
    for name in removed:
        report.line(f"removed {name}")
    if report.as_json:
        report.json({"env": env, "removed": list(removed)})
    report.line(f"{env}: {len(removed)} removed")
    return ExitStatus.OK


def _target(args: argparse.Namespace, report: Report) -> tuple[str, Callable[[], tuple[str, ...]]]:
    """The environment's name, and what removes its machines. Broken files are no hindrance: the label tells."""
    from bootstrap import config, drivers, state_folder
    from bootstrap.drivers import docker

    try:
        cluster = config.load(args.env)
    except InvalidTopologyError as error:
        path = config.locate(args.env)
        env = path.resolve().parent.name
        state_folder.check_file(env, path)
        _confirm(env, guard.says_production(path), args)
        report.line(f"{error.what}: going by the label utopia.env={env} alone")
        return env, lambda: docker.destroy(env, args.node)
    state_folder.check(cluster)
    if args.node and args.node not in {node.name for node in cluster.nodes}:
        raise UsageError(f"there is no node '{args.node}'", next_step=f"bootstrap nodes --env {args.env}")
    _confirm(cluster.env, cluster.production, args)
    return cluster.env, lambda: drivers.get(cluster).destroy(args.node)


def _confirm(env: str, production: bool, args: argparse.Namespace) -> None:
    what = f"removes the machine of {args.node}" if args.node else "removes its machines"
    state = ", its CA, keys, secrets and journal" if args.state else ""
    guard.confirm(env, production=production, action=f"{what}{state}", given=args.yes)
