"""The members of an environment's Elasticsearch, asked about snapshots, and the waits for what they have begun."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bootstrap import component_settings, paths
from bootstrap.backups import Tell
from bootstrap.errors import BackupError
from bootstrap.health import View
from bootstrap.health.net import Answer, Login, UnansweredError, send

ROLE = "elasticsearch"
SECRET = "elasticsearch-operator"  # noqa: S105 - its name
REPOSITORY = "/_snapshot/utopia"
_REQUEST = 60.0  # seconds for one
_LOOK = 0.5  # seconds between two looks
_TELL = 10.0  # seconds between two words about how far it is


@dataclass(frozen=True, slots=True)
class Members:
    """The first that answers is asked."""

    view: View
    login: Login
    ca: Path

    def ask(self, method: str, path: str, body: Any = None, *, seconds: float = _REQUEST) -> Any:
        """The JSON answer; None where there is no such thing."""
        port, said = self.view.port(ROLE, "http"), []
        for node in self.view.cluster.with_role(ROLE):
            address = str(node.address)
            try:
                answer = send(method, address, port, path, body=body, login=self.login, ca=self.ca, seconds=seconds)
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
            next_step=self.view.command("status"),
        )

    def look(self, name: str, options: str = "") -> dict[str, Any]:
        """What is known of one snapshot. Raises BackupError where there is none of this name."""
        found = self.ask("GET", f"{REPOSITORY}/{name}{options}")
        if not found or not found.get("snapshots"):
            raise BackupError(f"there is no snapshot '{name}'", next_step=f"{self.view.command('backup')} --list")
        return dict(found["snapshots"][0])


def ready(view: View) -> Members:
    """Whom to ask. Raises BackupError where nothing says where snapshots go."""
    login = view.logins.get(SECRET)
    ca = paths.state_dir(view.cluster.env) / "ca" / "ca.crt"
    if login is None or not ca.exists():
        raise BackupError(
            "there is no operator's login yet: this environment is not made",
            where=f"environment {view.cluster.env}",
            next_step=view.converge,
        )
    members = Members(view, login, ca)
    if members.ask("GET", REPOSITORY):
        return members
    configured = snapshots(view)["type"]
    raise BackupError(
        "no repository for snapshots is configured" if not configured else "the repository is not registered yet",
        where=f"environment {view.cluster.env}, settings.elasticsearch.snapshots",
        cause="" if configured else "snapshots need a folder that every member mounts, or a bucket; nothing is assumed",
        next_step=view.converge
        if configured
        else f"write settings: {{elasticsearch: {{snapshots: {{type: fs}}}}}} into {view.cluster.path} "
        "(docs/elasticsearch.md, Backup), then " + view.converge,
    )


def snapshots(view: View) -> Mapping[str, Any]:
    """The environment's settings of snapshots."""
    return dict(component_settings.of(view.cluster, ROLE)["snapshots"])


def wait(how_far: Callable[[], str], seconds: float, tell: Tell, late: Callable[[str], BackupError]) -> None:
    """Until `how_far()` is "", told now and then; raises what `late` makes of the last of it after `seconds`."""
    end, told = time.monotonic() + seconds, time.monotonic()
    while far := how_far():
        now = time.monotonic()
        if now > end:
            raise late(far)
        if now - told >= _TELL:
            told = now
            tell(far)
        time.sleep(_LOOK)


def incomplete(view: View, found: Mapping[str, Any]) -> BackupError:
    """The error for a snapshot that is not whole."""
    shards = found.get("shards", {})
    return BackupError(
        f"snapshot '{found['snapshot']}' is {found['state']}: {shards.get('failed', '?')} of "
        f"{shards.get('total', '?')} shards are missing in it",
        where=f"environment {view.cluster.env}",
        lines=[f"{lack['index']}, shard {lack['shard_id']}: {lack['reason']}" for lack in found.get("failures", ())],
        cause="a shard had no copy that could be read while it was taken: red indices",
        next_step=view.command("status"),
    )


def _refused(view: View, method: str, path: str, answer: Answer) -> BackupError:
    return BackupError(
        "Elasticsearch refuses",
        where=f"{method} {path}",
        lines=[f"HTTP {answer.status}", answer.body.decode(errors="replace")[:2000]],
        next_step=view.command("status"),
    )
