"""The `docker` command line as functions: one place for arguments, bounds and error messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bootstrap.errors import MachinesError
from bootstrap.process import Completed, run

ENV_LABEL = "utopia.env"
NODE_LABEL = "utopia.node"
ARGUMENTS_LABEL = "utopia.arguments"


def attempt(*args: str, stdin: bytes | None = None, timeout: float = 60) -> Completed:
    """`docker ARGS`, whatever it ends with."""
    return run(["docker", *args], stdin=stdin, timeout=timeout)


def docker(*args: str, stdin: bytes | None = None, timeout: float = 60, where: str = "") -> str:
    """`docker ARGS`; its standard output, stripped. MachinesError when it fails."""
    done = attempt(*args, stdin=stdin, timeout=timeout)
    if not done.ok:
        raise MachinesError(
            f"docker {args[0]} failed",
            where=where,
            lines=done.tail(),
            next_step="look at the lines above; `docker info` says whether the engine is well",
        )
    return done.out.strip()


def inspect(kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """`docker KIND inspect NAMES`: those that exist, in no order."""
    if not names:
        return []
    done = attempt(kind, "inspect", *names)
    found: list[dict[str, Any]] = json.loads(done.out or "[]")  # prints what it found even when one is missing
    if not done.ok and "no such" not in done.err.lower():
        raise MachinesError(f"docker {kind} inspect failed", lines=done.tail(), next_step="run `docker info`")
    return found


def labelled(kind: str, labels: Mapping[str, str]) -> list[str]:
    """Ids of what carries all `labels` ("" = any value). `kind`: container, network or image."""
    filters = [f"--filter=label={key}{value and '='}{value}" for key, value in labels.items()]
    everything = ["--all"] if kind == "container" else []
    return docker(kind, "ls", "--quiet", *everything, *filters).split()
