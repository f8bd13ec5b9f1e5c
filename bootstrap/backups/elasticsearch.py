"""Snapshots of Elasticsearch, in the repository that the environment's settings name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bootstrap import paths
from bootstrap.backups import Backup, Proof, Tell
from bootstrap.errors import BackupError
from bootstrap.health import View
from bootstrap.health.net import Answer, Login, UnansweredError, send

ROLE = "elasticsearch"
SECRET = "elasticsearch-operator"  # noqa: S105 - its name
REPOSITORY = "utopia"
_REQUEST = 60.0  # seconds for one
_LOOK = 0.5
_RESTORE = 600.0  # seconds until the part that is brought back must be readable
_BESIDE = "verify-"  # before the name of an index that is brought back only to be counted


@dataclass(frozen=True, slots=True)
class _Members:
    """The members of a cluster: the first that answers is asked."""

    view: View
    login: Login
    ca: Path

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer; None where there is no such thing."""
        port, said = self.view.port(ROLE, "http"), []
        for node in self.view.cluster.with_role(ROLE):
            try:
                answer = send(
                    method, str(node.address), port, path, body=body, login=self.login, ca=self.ca, seconds=_REQUEST
                )
            except UnansweredError as error:
                said.append(f"{node.name}: {error}")
                continue
            if answer.status == HTTPStatus.NOT_FOUND:
                return None
            if answer.status < HTTPStatus.BAD_REQUEST:
                return answer.json()
            raise _refused(self.view, method, path, answer)
        raise BackupError(
            "no member of Elasticsearch answers",
            where=f"environment {self.view.cluster.env}",
            lines=said,
            next_step=self.view.converge.replace("cluster", "status", 1),
        )


def take(view: View, tell: Tell) -> Backup:
    """A snapshot of all indices. What an earlier one holds already is not copied again."""
    members = _ready(view)
    name = f"{view.cluster.env}-{datetime.now(UTC):%Y%m%d-%H%M%S}".lower()
    what = {"indices": "*,-.*,-verify-*", "include_global_state": True, "feature_states": ["none"]}
    members.ask("POST", f"/_snapshot/{REPOSITORY}/_verify")  # a member that joined since may not mount the folder
    members.ask("PUT", f"/_snapshot/{REPOSITORY}/{name}", what)
    tell(f"snapshot {name} is being taken")
    while (found := _look(members, name))["state"] == "IN_PROGRESS":
        time.sleep(_LOOK)
    backup = _backup(found, _sizes(members, name))
    if not backup.whole:
        raise _incomplete(view, found)
    return backup


def listing(view: View) -> Sequence[Backup]:
    """All snapshots of the repository, the oldest first."""
    found = _ready(view).ask("GET", f"/_snapshot/{REPOSITORY}/*?index_details=true&sort=start_time") or {}
    return [_backup(snapshot, _details(snapshot)) for snapshot in found.get("snapshots", [])]


def prove(view: View, name: str, tell: Tell) -> Proof:
    """Every member reaches the repository, every shard is there, and the smallest index can be read again."""
    started = time.monotonic()
    members = _ready(view)
    reached = members.ask("POST", f"/_snapshot/{REPOSITORY}/_verify")["nodes"]
    found = _look(members, name, "?index_details=true")
    if found["state"] != "SUCCESS":
        raise _incomplete(view, found)
    _sizes(members, name)  # reads what the repository has of every shard
    details = found["index_details"]
    held = [index for index in details if details[index].get("max_segments_per_shard")]
    smallest = min(held, key=lambda index: int(details[index]["size_in_bytes"]), default="")
    lines = _brought_back(view, members, name, smallest, tell) if smallest else 0
    seconds = time.monotonic() - started
    return Proof(ROLE, name, len(reached), len(found["indices"]), smallest, lines, seconds)


def _ready(view: View) -> _Members:
    """Whom to ask. Raises BackupError where nothing says where snapshots go."""
    login = view.logins.get(SECRET)
    ca = paths.state_dir(view.cluster.env) / "ca" / "ca.crt"
    if login is None or not ca.exists():
        raise BackupError(
            "there is no operator's login yet: this environment is not made",
            where=f"environment {view.cluster.env}",
            next_step=view.converge,
        )
    members = _Members(view, login, ca)
    if members.ask("GET", f"/_snapshot/{REPOSITORY}"):
        return members
    configured = view.cluster.settings.get(ROLE, {}).get("snapshots", {}).get("type")
    raise BackupError(
        "no repository for snapshots is configured" if not configured else "the repository is not registered yet",
        where=f"environment {view.cluster.env}, settings.elasticsearch.snapshots",
        cause="" if configured else "snapshots need a folder that every member mounts, or a bucket; nothing is assumed",
        next_step=view.converge
        if configured
        else f"write settings: {{elasticsearch: {{snapshots: {{type: fs}}}}}} into {view.cluster.path} "
        "(docs/elasticsearch.md, Backup), then " + view.converge,
    )


def _look(members: _Members, name: str, options: str = "") -> dict[str, Any]:
    found = members.ask("GET", f"/_snapshot/{REPOSITORY}/{name}{options}")
    if not found or not found.get("snapshots"):
        raise BackupError(f"there is no snapshot '{name}'", next_step="bootstrap backup --list has them all")
    return dict(found["snapshots"][0])


def _sizes(members: _Members, name: str) -> tuple[int, int]:
    """Bytes of the whole snapshot, and of what no earlier one had."""
    found = members.ask("GET", f"/_snapshot/{REPOSITORY}/{name}/_status")["snapshots"][0]["stats"]
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


def _brought_back(view: View, members: _Members, name: str, index: str, tell: Tell) -> int:
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
        members.ask("POST", f"/_snapshot/{REPOSITORY}/{name}/_restore", body)
        deadline = time.monotonic() + _RESTORE
        while members.ask("GET", f"/_cluster/health/{beside}?level=shards")["status"] != "green":
            if time.monotonic() > deadline:
                raise BackupError(
                    f"{index} of snapshot '{name}' could not be read again within {_RESTORE:g} s",
                    where=f"environment {view.cluster.env}",
                    next_step=view.converge.replace("cluster", "status", 1),
                )
            time.sleep(_LOOK)
        return int(members.ask("GET", f"/{beside}/_count")["count"])
    finally:
        members.ask("DELETE", f"/{beside}?ignore_unavailable=true")


def _incomplete(view: View, found: Mapping[str, Any]) -> BackupError:
    shards = found.get("shards", {})
    return BackupError(
        f"snapshot '{found['snapshot']}' is {found['state']}: {shards.get('failed', '?')} of "
        f"{shards.get('total', '?')} shards are missing in it",
        where=f"environment {view.cluster.env}",
        lines=[f"{lack['index']}, shard {lack['shard_id']}: {lack['reason']}" for lack in found.get("failures", ())],
        cause="a shard had no copy that could be read while it was taken: red indices",
        next_step=view.converge.replace("cluster", "status", 1),
    )


def _refused(view: View, method: str, path: str, answer: Answer) -> BackupError:
    return BackupError(
        "Elasticsearch refuses",
        where=f"{method} {path}",
        lines=[f"HTTP {answer.status}", answer.body.decode(errors="replace")[:2000]],
        next_step=view.converge.replace("cluster", "status", 1),
    )
