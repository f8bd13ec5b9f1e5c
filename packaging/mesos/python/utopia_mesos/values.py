"""Values as the Mesos API writes them: durations, resources, environment variables, log lines."""

from __future__ import annotations

import base64
import math
import re
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "mins": 60.0,
    "hrs": 3600.0,
    "days": 86400.0,
    "weeks": 7 * 86400.0,
}
NANOSECONDS = 1e9


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `15mins` or `2.5secs`; ValueError for anything else."""
    match = re.fullmatch(r"(-?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?)([a-z]+)", text.strip())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"not a duration: {text!r}")
    return float(match[1]) * _UNITS[match[2]]


def grace_period(policy: Mapping[str, Any] | None) -> float | None:
    """Seconds of a KillPolicy's grace period, None if it has none."""
    nanoseconds = ((policy or {}).get("grace_period") or {}).get("nanoseconds")
    return None if nanoseconds is None else int(nanoseconds) / NANOSECONDS


def scalar(resources: Iterable[Json], name: str) -> float:
    """Sum of the scalar resources called `name` (a task may have reserved and unreserved ones)."""
    return sum(float(r["scalar"]["value"]) for r in resources if r["name"] == name and r.get("type") == "SCALAR")


def ports(resources: Iterable[Json]) -> list[range]:
    """The host ports among the resources."""
    return [
        range(int(part["begin"]), int(part["end"]) + 1)
        for resource in resources
        if resource["name"] == "ports" and resource.get("type") == "RANGES"
        for part in resource.get("ranges", {}).get("range", [])
    ]


def limit(task: Json, name: str) -> float | None:
    """The task's limit of a resource: None if it has none, infinity if it is unlimited."""
    value = task.get("limits", {}).get(name)
    if value is None:
        return None
    return math.inf if str(value["value"]).lower().startswith("inf") else float(value["value"])


def plain_variables(command: Json) -> dict[str, str]:
    """The command's environment without its secrets."""
    return {v["name"]: v.get("value", "") for v in _variables(command) if v.get("type") != "SECRET"}


def secret_variables(command: Json) -> dict[str, str]:
    """Secrets given by value. References were resolved by the agent, which put them into our environment."""
    secrets = {v["name"]: v.get("secret", {}) for v in _variables(command) if v.get("type") == "SECRET"}
    return {
        name: base64.b64decode(secret["value"]["data"]).decode("utf-8", "surrogateescape")
        for name, secret in secrets.items()
        if secret.get("type") == "VALUE"
    }


def _variables(command: Json) -> list[Json]:
    return list(command.get("environment", {}).get("variables", []))


def log(message: str) -> None:
    """A line in the sandbox's stderr. Callers pass no environment, token or request body."""
    now = time.time()
    stamp = time.strftime("%H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 1000):03d}"
    print(f"{stamp} executor: {message}", file=sys.stderr, flush=True)
