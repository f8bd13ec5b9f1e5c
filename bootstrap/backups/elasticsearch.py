"""Snapshots of Elasticsearch, in the repository that the environment's settings name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bootstrap.backups import Backup, Proof, Tell
from bootstrap.backups.elasticsearch_restore import restore
from bootstrap.backups.members import REPOSITORY, ROLE, Members, incomplete, ready, snapshots, wait
from bootstrap.errors import BackupError
from bootstrap.health import View

__all__ = ["ROLE", "listing", "prove", "prune", "restore", "take"]

_MADE_FOR = "utopia-env"  # in the metadata of a snapshot that we took: the environment's name
_PROVED = 600.0  # seconds until the part that is brought back must be readable: it is the smallest there is
_DELETED = 600.0  # seconds for the request that deletes one: it ends when the files are gone
_BESIDE = "verify-"  # before the name of an index that is brought back only to be counted


def take(view: View, tell: Tell) -> Backup:
    """A snapshot of all indices. What an earlier one holds already is not copied again."""
    members = ready(view)
    name = f"{view.cluster.env}-{datetime.now(UTC):%Y%m%d-%H%M%S}".lower()
    what = {
        "indices": f"*,-.*,-{_BESIDE}*",
        "include_global_state": True,
        "feature_states": ["none"],
        "metadata": {_MADE_FOR: view.cluster.env},
    }
    members.ask("POST", f"{REPOSITORY}/_verify")  # a member that joined since may not mount the folder
    members.ask("PUT", f"{REPOSITORY}/{name}", what)
    tell(f"snapshot {name} is being taken")
    seconds = float(snapshots(view)["wait"])
    wait(lambda: _how_far(members, name), seconds, tell, lambda far: _endless(view, name, seconds, far))
    found = members.look(name)
    backup = _backup(found, _sizes(members, name))
    if not backup.whole:
        raise incomplete(view, found)
    return backup


def listing(view: View) -> Sequence[Backup]:
    """All snapshots of the repository, the oldest first."""
    found = ready(view).ask("GET", f"{REPOSITORY}/*?index_details=true&sort=start_time") or {}
    return [_backup(snapshot, _details(snapshot)) for snapshot in found.get("snapshots", [])]


def prune(view: View, tell: Tell) -> Sequence[str]:
    """Delete what we took ourselves and is older than the newest whole ones that the settings keep; its names."""
    keep = int(snapshots(view)["keep"])
    if keep < 1:
        return ()
    members = ready(view)
    found = (members.ask("GET", f"{REPOSITORY}/*?sort=start_time") or {}).get("snapshots", [])
    ours = [each for each in found if (each.get("metadata") or {}).get(_MADE_FOR) == view.cluster.env]
    whole = [at for at, each in enumerate(ours) if each["state"] == "SUCCESS"]
    old = ours[: whole[-keep]] if len(whole) >= keep else []
    names = [str(each["snapshot"]) for each in old if each["state"] != "IN_PROGRESS"]
    for name in names:
        members.ask("DELETE", f"{REPOSITORY}/{name}", seconds=_DELETED)
        tell(f"snapshot {name} is deleted: the newest {keep} are kept")
    return names


def prove(view: View, name: str, tell: Tell) -> Proof:
    """Every member reaches the repository, every shard is there, and the smallest index can be read again."""
    started = time.monotonic()
    members = ready(view)
    reached = members.ask("POST", f"{REPOSITORY}/_verify")["nodes"]
    found = members.look(name, "?index_details=true")
    if found["state"] != "SUCCESS":
        raise incomplete(view, found)
    _sizes(members, name)  # reads what the repository has of every shard
    details = found["index_details"]
    held = [index for index in details if details[index].get("max_segments_per_shard")]
    smallest = min(held, key=lambda index: int(details[index]["size_in_bytes"]), default="")
    lines = _brought_back(view, members, name, smallest, tell) if smallest else 0
    seconds = time.monotonic() - started
    return Proof(ROLE, name, len(reached), len(found["indices"]), smallest, lines, seconds)


def _how_far(members: Members, name: str) -> str:
    """ "" when the snapshot has ended, whole or not."""
    if members.look(name)["state"] != "IN_PROGRESS":
        return ""
    found = (members.ask("GET", f"{REPOSITORY}/{name}/_status") or {}).get("snapshots") or [{}]
    shards = found[0].get("shards_stats", {})
    return f"{shards.get('done', 0)} of {shards.get('total', '?')} shards of {name} are copied"


def _endless(view: View, name: str, seconds: float, far: str) -> BackupError:
    return BackupError(
        f"snapshot '{name}' has not ended after {seconds:g} s",
        where=f"environment {view.cluster.env}, settings.elasticsearch.snapshots.wait",
        lines=[far],
        cause="a first snapshot copies everything, or where it goes to is slow or hangs; the cluster goes on with it",
        next_step=f"{view.command('backup')} --list tells when it is whole; if it never is, look at where it goes to",
    )


def _sizes(members: Members, name: str) -> tuple[int, int]:
    """Bytes of the whole snapshot, and of what no earlier one had."""
    found = members.ask("GET", f"{REPOSITORY}/{name}/_status")["snapshots"][0]["stats"]
    return int(found["total"]["size_in_bytes"]), int(found["incremental"]["size_in_bytes"])


def _details(snapshot: Mapping[str, Any]) -> tuple[int, int]:
    size = sum(int(index["size_in_bytes"]) for index in snapshot.get("index_details", {}).values())
    return size, 0


def _backup(found: Mapping[str, Any], sizes: tuple[int, int]) -> Backup:
    size, added = sizes
    return Backup(
        role=ROLE,
        name=str(found["snapshot"]),
        taken=str(found.get("start_time", "")),
        parts=tuple(sorted(found.get("indices", ()))),
        size=size,
        added=added,
        seconds=int(found.get("duration_in_millis", 0)) / 1000,
        whole=found["state"] == "SUCCESS",
    )


def _brought_back(view: View, members: Members, name: str, index: str, tell: Tell) -> int:
    """The lines of an index that is restored beside the others, counted and removed."""
    beside = _BESIDE + index
    members.ask("DELETE", f"/{beside}?ignore_unavailable=true")
    tell(f"restoring {index} of {name} beside the others")
    body = {
        "indices": index,
        "rename_pattern": "(.+)",
        "rename_replacement": f"{_BESIDE}$1",
        "include_aliases": False,
        "include_global_state": False,
        "index_settings": {"index.auto_expand_replicas": "false", "index.number_of_replicas": 0},
    }
    try:
        members.ask("POST", f"{REPOSITORY}/{name}/_restore", body)
        wait(
            lambda: "" if members.ask("GET", f"/_cluster/health/{beside}")["status"] == "green" else "not readable",
            _PROVED,
            tell,
            lambda _far: BackupError(
                f"{index} of snapshot '{name}' could not be read again within {_PROVED:g} s",
                where=f"environment {view.cluster.env}",
                next_step=view.command("status"),
            ),
        )
        return int(members.ask("GET", f"/{beside}/_count")["count"])
    finally:
        members.ask("DELETE", f"/{beside}?ignore_unavailable=true")
