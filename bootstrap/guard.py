"""Asks for the environment's name before something destructive is done to one marked `production: true`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bootstrap import terminal
from bootstrap.errors import UsageError

_UNREADABLE = re.compile(r"^production\s*:\s*(?!false\b)\S", re.MULTILINE | re.IGNORECASE)


def add_argument(parser: argparse.ArgumentParser) -> None:
    """`--yes NAME`, for every command that destroys something."""
    parser.add_argument(
        "--yes", metavar="NAME", help="the environment's name, for scripts: asked for where `production: true`"
    )


def confirm(env: str, *, production: bool, action: str, given: str | None) -> None:
    """Returns when it may go on. `action` completes "this ...". UsageError where nobody says the name.

    A name that is given must be right everywhere: it says which environment the caller believes to be at.
    """
    if given is not None:
        if given != env:
            raise UsageError(
                f"--yes {given} is not the name of this environment, {env}",
                cause="the command is aimed at another environment than its caller believes",
                next_step=f"check --env; then --yes {env} if you mean it",
            )
        return
    if not production:
        return
    answer = terminal.typed(f"{env} is marked production: true, and this {action}.\nType its name to go on: ")
    if answer is None:
        raise UsageError(
            f"{env} is marked production: true, and this {action}",
            cause="there is no terminal to ask at",
            next_step=f"add --yes {env} if you mean it",
        )
    if answer != env:
        raise UsageError(f"'{answer}' is not {env}: nothing was done", next_step="run it again if you mean it")


def says_production(path: Path) -> bool:
    """For a cluster.yaml with mistakes in it: whether it says anything but `production: false`."""
    from bootstrap import pure_yaml

    document = pure_yaml.read(path, str(path))
    if isinstance(document.data, dict):
        return document.data.get("production", False) is not False
    return bool(_UNREADABLE.search(path.read_text(encoding="utf-8", errors="replace")))
