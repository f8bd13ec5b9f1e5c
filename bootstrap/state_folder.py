"""Whose state folder it is. An environment goes by the name of its cluster.yaml's folder, so two may claim one."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from bootstrap import paths
from bootstrap.errors import SaltError, UsageError
from bootstrap.model import Cluster

_FILE = "environment.json"


def claim(cluster: Cluster) -> None:
    """Note which environment the folder is for. Raises as `check` does."""
    check(cluster)
    before, facts = _read(cluster.env), _facts(cluster)
    if before == facts or (before and before["path"] != facts["path"] and Path(before["path"]).exists()):
        return  # a changed copy of the same environment is at work: the folder stays the original's
    folder = paths.state_dir(cluster.env)
    draft = folder / f".{_FILE}.{os.getpid()}"
    draft.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    draft.replace(folder / _FILE)


def check(cluster: Cluster) -> None:
    """Raises UsageError when the folder has the keys of other machines than these: another file, driver or network."""
    before, facts = _read(cluster.env), _facts(cluster)
    alike = all(before.get(key) == facts[key] for key in ("driver", "network"))
    if before and before["path"] != facts["path"] and not alike:
        raise _taken(cluster.env, before, f"{facts['path']} ({facts['driver']}, {facts['network']})")


def check_file(env: str, path: Path) -> None:
    """For a cluster.yaml that cannot be read: raises UsageError when another one has the folder."""
    before = _read(env)
    if before and before["path"] != str(path.resolve()) and Path(before["path"]).exists():
        raise _taken(env, before, str(path.resolve()))


def refuse_other(env: str, node: str, certificate: str, wanted: bytes, found: str | None) -> None:
    """A node that trusts another CA was set up with another state folder: ours has other keys and passwords.

    `found`: SHA-256 of what lies at the path `certificate` there, None when nothing does. Raises SaltError.
    """
    if found is None or found == hashlib.sha256(wanted).hexdigest():
        return
    raise other(env, node, f"{certificate} on {node} is not the certificate of this folder's CA")


def other(env: str, node: str, line: str) -> SaltError:
    """The error for machines of another state folder; `line` is the proof."""
    return SaltError(
        f"{node} was set up with another state folder than this one",
        where=str(paths.state_path(env)),
        lines=[line],
        cause="the folder was lost or moved, or UTOPIA_STATE_DIR names another place than before",
        next_step="put the old folder back, or name its place in UTOPIA_STATE_DIR; if it is lost, every node "
        "has to be made anew, for the services know its passwords",
    )


def release(env: str) -> None:
    """The machines are gone: the name may be used for others."""
    (paths.state_path(env) / _FILE).unlink(missing_ok=True)


def _facts(cluster: Cluster) -> dict[str, str]:
    return {"path": str(cluster.path.resolve()), "driver": cluster.driver, "network": str(cluster.network)}


def _read(env: str) -> dict[str, str]:
    try:
        return dict(json.loads((paths.state_path(env) / _FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def _taken(env: str, before: dict[str, str], asked: str) -> UsageError:
    return UsageError(
        f"there is another environment named '{env}', and the state folder is its",
        where=str(paths.state_path(env)),
        lines=[f"it was made for {before['path']} ({before['driver']}, {before['network']})", f"asked for: {asked}"],
        cause="an environment is known by the name of the folder that its cluster.yaml lies in",
        next_step="rename the folder of one of the two, or `bootstrap destroy` the other one first",
    )
