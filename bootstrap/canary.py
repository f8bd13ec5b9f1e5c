"""The canary: a container on each agent writes a line with an id, and the time until the index has it is taken."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bootstrap import paths
from bootstrap.errors import NotReadyError
from bootstrap.health.net import UnansweredError
from bootstrap.log_index import LogIndex

FOUND_SECONDS = 60.0  # after which a line is taken for lost
PAUSE_SECONDS = 0.1
# The container lives on for a while: what is removed at once nobody can read.
_COMMAND = (
    "docker run --detach --rm --network none --memory 16m --entrypoint /bin/sh {image}"
    " -c 'echo canary {id} $(hostname); sleep 20'"
)


def show(run: Callable[[str, str], object], index: LogIndex, agents: Iterable[str], image: str) -> dict[str, float]:
    """Agent -> seconds from the line to its being found. `run(node, command)` raises when the command fails.

    Raises NotReadyError when a line is not found in time.
    """
    awaited = {agent: f"{agent}-{secrets.token_hex(8)}" for agent in agents}
    for agent, name in awaited.items():
        run(agent, _COMMAND.format(image=image, id=name))
    deadline = time.monotonic() + FOUND_SECONDS
    found: dict[str, float] = {}
    while set(found) != set(awaited):
        for agent, name in awaited.items():
            if agent not in found and (line := _find(index, name)):
                written = datetime.fromisoformat(_microseconds(line["@timestamp"])).timestamp()
                found[agent] = max(0.0, time.time() - written)
        if time.monotonic() > deadline:
            raise _lost([agent for agent in awaited if agent not in found])
        time.sleep(PAUSE_SECONDS)
    return found


def note(found: Mapping[str, float]) -> str:
    """For the operator."""
    return f"the canary's line was found after {max(found.values()):.1f} s, from {len(found)} agents"


def keep(env: str, found: Mapping[str, float]) -> None:
    """For `status`, which starts no containers."""
    _path(env).write_text(json.dumps({"at": time.time(), "seconds": max(found.values())}))


def kept(env: str) -> tuple[float, float] | None:
    """When the last canary was seen (Unix time), and after how many seconds."""
    try:
        last = json.loads(_path(env).read_text())
        return float(last["at"]), float(last["seconds"])
    except (OSError, ValueError, KeyError):
        return None


def _path(env: str) -> Path:
    return paths.state_dir(env) / "canary.json"


def _find(index: LogIndex, name: str) -> dict[str, Any] | None:
    try:
        hits = index.search({"query": {"match_phrase": {"message": name}}, "size": 1})["hits"]["hits"]
    except UnansweredError:
        return None
    return dict(hits[0]["_source"]) if hits else None


def _microseconds(text: str) -> str:
    """Docker tells nanoseconds, which Python's clock has not."""
    seconds, _, rest = text.removesuffix("Z").partition(".")
    return f"{seconds}.{rest[:6].ljust(6, '0')}+00:00"


def _lost(agents: list[str]) -> NotReadyError:
    return NotReadyError(
        f"the line of a container was not found in the index within {FOUND_SECONDS:g} s",
        where=", ".join(agents),
        cause="the log shipper of the node does not run or is far behind, or the index takes no lines",
        next_step=f"bootstrap status; bootstrap ssh {agents[0]} -- cat /run/log-shipper/statistics",
    )
