"""Who was in the ZooKeeper ensemble when it was last brought to what the files say: what a change is measured against.

A file of the state folder. It is written when the ensemble runs as asked for, not before: a run that
did not get there leaves the members that the data is on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from bootstrap import paths
from bootstrap.model import Cluster

ROLE = "zookeeper"
_FILE = "zookeeper-members.json"


def path_of(env: str) -> Path:
    """Where it is kept."""
    return paths.state_path(env) / _FILE


def read(env: str) -> tuple[str, ...]:
    """The members' names; none where there was no ensemble yet. Raises OSError or ValueError."""
    path = path_of(env)
    if not path.is_file():
        return ()
    names = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("not a list of nodes")
    return tuple(names)


def keep(cluster: Cluster) -> None:
    """The ensemble is as this cluster says."""
    names = [node.name for node in cluster.with_role(ROLE)]
    text = json.dumps(names) + "\n"
    path = path_of(cluster.env)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    draft = paths.state_dir(cluster.env) / f".{_FILE}.{os.getpid()}"
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def forget(env: str) -> None:
    """For when the machines, and the data on them, were removed."""
    path_of(env).unlink(missing_ok=True)
