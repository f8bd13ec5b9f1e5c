"""`bootstrap`: one file per command in this folder; a command is found by its file.

A command module has `HELP` (one line), `add_arguments(parser)` and `run(args, report) -> ExitStatus`.
Heavy imports belong into `run`, so that `bootstrap --help` stays fast.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import signal
import sys
from collections.abc import Sequence

from bootstrap import __version__
from bootstrap.errors import ExitStatus, OperatorError
from bootstrap.report import Report


def command_names() -> list[str]:
    """Every command, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="bootstrap",
        description="Turns bare machines into a container platform and proves, node by node, that it works.",
        epilog="Exit statuses are listed in docs/errors.md. Start with: bootstrap cluster --env local",
    )
    parser.add_argument("--version", action="version", version=f"bootstrap {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--env", default="local", metavar="ENV", help="a name under pillar/env, or the path of a cluster.yaml (local)"
    )
    common.add_argument("--json", action="store_true", help="the result as one JSON document")
    common.add_argument("--verbose", action="store_true", help="progress per node also when nobody is watching")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for name in command_names():
        module = importlib.import_module(f"{__name__}.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.HELP, parents=[common])
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; expected errors become a message and their own exit status."""
    args = make_parser().parse_args(argv)
    report = Report(as_json=args.json, verbose=args.verbose)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status = args.run(args, report)
    except OperatorError as error:
        report.error(error)
        status = error.status
    except KeyboardInterrupt:
        report.interrupted()
        os._exit(ExitStatus.INTERRUPTED)  # not sys.exit: that would wait for threads that talk to machines
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nothing is left to say
        status = ExitStatus.OK
    return int(status)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
