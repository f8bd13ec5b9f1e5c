"""The way back: log indices of a snapshot that are not there any more."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from bootstrap import component_settings
from bootstrap.backups import Restored, Tell
from bootstrap.backups.members import REPOSITORY, ROLE, Members, incomplete, ready, snapshots, wait
from bootstrap.errors import BackupError
from bootstrap.health import View

_RETENTION = "elasticsearch-retention"


def restore(view: View, name: str, patterns: Sequence[str], tell: Tell, *, overwrite: bool = False) -> Restored:
    """Bring back what fits `patterns`, else every log index; returns when all of it can be read.

    An index that is there is left as it is. Where `patterns` ask for it, BackupError says so before anything is
    done, unless `overwrite`.
    """
    started = time.monotonic()
    members = ready(view)
    found = members.look(name)
    if found["state"] != "SUCCESS":
        raise incomplete(view, found)
    chosen = _chosen(view, name, found["indices"], patterns)
    there = _there(members)
    present = [index for index in chosen if index in there]
    if present and patterns and not overwrite:
        raise _present(view, name, present)
    wanted = [index for index in chosen if overwrite or index not in there]
    if wanted:
        tell(f"restoring {len(wanted)} indices of {name}")
        _begin(members, name, wanted, [index for index in present if there[index] == "open"] if overwrite else [])
        seconds = float(snapshots(view)["wait"])
        wait(lambda: _how_far(members, wanted), seconds, tell, lambda far: _endless(view, name, seconds, far))
    lines = _lines(members)
    return Restored(
        role=ROLE,
        name=name,
        lines={index: lines.get(index, 0) for index in wanted},
        overwritten=tuple(index for index in present if overwrite),
        left=tuple(index for index in present if not overwrite),
        doomed=tuple(index for index in wanted if _too_old(view, index)),
        seconds=time.monotonic() - started,
    )


def _chosen(view: View, name: str, held: Sequence[str], patterns: Sequence[str]) -> list[str]:
    asked = patterns or [f"{component_settings.of(view.cluster, ROLE)['index']['prefix']}-*"]
    strange = [pattern for pattern in patterns if not any(fnmatchcase(index, pattern) for index in held)]
    if strange:
        raise BackupError(
            f"snapshot '{name}' holds no index {', '.join(strange)}",
            where=f"environment {view.cluster.env}",
            lines=[f"it holds: {', '.join(sorted(held)) or 'none'}"],
            next_step=f"{view.command('restore')} --list has the others",
        )
    return sorted(index for index in held if any(fnmatchcase(index, pattern) for pattern in asked))


def _there(members: Members) -> dict[str, str]:
    """Every index of the cluster -> open or close."""
    rows = members.ask("GET", "/_cat/indices?format=json&h=index,status&expand_wildcards=all")
    return {row["index"]: row["status"] for row in rows}


def _begin(members: Members, name: str, wanted: Sequence[str], to_close: Sequence[str]) -> None:
    """Only a closed index can be restored over; one whose restore does not begin is opened again."""
    closed = []
    try:
        for index in to_close:
            members.ask("POST", f"/{index}/_close")
            closed.append(index)
        body = {"indices": ",".join(wanted), "include_global_state": False}
        members.ask("POST", f"{REPOSITORY}/{name}/_restore", body)
    except BackupError:
        for index in closed:
            members.ask("POST", f"/{index}/_open")
        raise


def _how_far(members: Members, wanted: Sequence[str]) -> str:
    """ "" when every index can be read: the first copy of each shard is there.

    Its colour does not tell: while the first copy of a restored index is on its way it is yellow, not red.
    """
    health = members.ask("GET", "/_cluster/health?level=indices&expand_wildcards=all")["indices"]
    missing = [index for index in wanted if not _readable(health.get(index, {}))]
    if not missing:
        return ""
    shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    return f"{len(wanted) - len(missing)} of {len(wanted)} indices can be read; not yet: {shown}"


def _readable(health: Mapping[str, Any]) -> bool:
    return bool(health) and health["active_primary_shards"] == health["number_of_shards"]


def _lines(members: Members) -> dict[str, int]:
    rows = members.ask("GET", "/_cat/indices?format=json&h=index,docs.count")
    return {row["index"]: int(row["docs.count"] or 0) for row in rows}


def _too_old(view: View, index: str) -> bool:
    """Whether retention will delete it again, by the day in its name."""
    day = re.search(r"-(\d{4}-\d\d-\d\d)$", index)
    if not day or not any(_RETENTION in role.components for role in view.cluster.roles.values()):
        return False
    oldest = datetime.now(UTC).date() - timedelta(days=int(component_settings.of(view.cluster, _RETENTION)["days"]))
    try:
        return date.fromisoformat(day[1]) < oldest
    except ValueError:
        return False


def _present(view: View, name: str, present: Sequence[str]) -> BackupError:
    return BackupError(
        f"{len(present)} of the indices asked for {'is' if len(present) == 1 else 'are'} there already",
        where=f"environment {view.cluster.env}, snapshot '{name}'",
        lines=list(present),
        cause="a restore replaces the whole of an index: lines that came after the snapshot would be lost",
        next_step="name others with --index; or add --overwrite if the snapshot's are the ones you want",
    )


def _endless(view: View, name: str, seconds: float, far: str) -> BackupError:
    return BackupError(
        f"what was restored from '{name}' could not be read after {seconds:g} s",
        where=f"environment {view.cluster.env}, settings.elasticsearch.snapshots.wait",
        lines=[far],
        cause="there is much to copy, a member has no room left for it, or where snapshots lie does not answer; the "
        "cluster goes on with it",
        next_step=view.command("status"),
    )
