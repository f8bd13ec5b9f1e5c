"""Elasticsearch: every member is asked for the health of the cluster it is in, over verified TLS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bootstrap import paths
from bootstrap.health import Health, State, View, elasticsearch_disk, env_argument
from bootstrap.health.elasticsearch_disk import Disks
from bootstrap.health.net import Login, UnansweredError, gather, get
from bootstrap.model import Node

ROLE = "elasticsearch"
SECRET = "elasticsearch-operator"  # noqa: S105 - its name
_STATES: Mapping[str, State] = {"green": "ok", "yellow": "degraded", "red": "failed"}


@dataclass(frozen=True, slots=True)
class Member:
    """What one member says of the cluster it is in. `why`: it gave no answer."""

    cluster: str = ""
    nodes: int = 0
    status: str = ""
    unassigned: int = 0
    why: str = ""


def ask(address: str, port: int, login: Login, ca: Path, *, seconds: float) -> Member:
    """One member's view."""
    try:
        answer = get(address, port, "/_cluster/health?timeout=1s", login=login, ca=ca, seconds=seconds)
        if answer.status != 200:
            return Member(why=f"answers {answer.status}: it is in no cluster that has a master")
        health = answer.json()
    except UnansweredError as error:
        return Member(why=str(error))
    return Member(
        str(health["cluster_name"]),
        int(health["number_of_nodes"]),
        str(health["status"]),
        int(health["unassigned_shards"]),
    )


def check(view: View) -> list[Health]:
    """Every member, and the cluster as a whole."""
    login = view.logins.get(SECRET)
    ca = paths.state_dir(view.cluster.env) / "ca" / "ca.crt"
    if login is None or not ca.exists():
        return [Health(ROLE, "", "failed", "no operator's login yet: this environment is not made", view.converge)]
    nodes = view.cluster.with_role(ROLE)
    port = view.port(ROLE, "http")
    jobs: dict[tuple[str, str], Callable[[], Member | Disks | None]] = {}
    for node in nodes:
        jobs["member", node.name] = partial(ask, str(node.address), port, login, ca, seconds=view.seconds)
        jobs["disks", node.name] = partial(
            elasticsearch_disk.ask, str(node.address), port, login, ca, seconds=view.seconds
        )
    answers = gather(jobs, view.seconds + 0.3)
    said = {node.name: _said(answers["member", node.name]) for node in nodes}
    disks = next((answer for answer in answers.values() if isinstance(answer, Disks)), None)
    members = [_judge(view, node, said[node.name], len(nodes)) for node in nodes]
    return [*members, _whole(view, said, disks), *_room(view, disks, nodes)]


def _said(answer: Member | Disks | None) -> Member:
    return answer if isinstance(answer, Member) else Member(why="does not answer in time")


def _judge(view: View, node: Node, member: Member, members: int) -> Health:
    if member.why:
        return Health(ROLE, node.name, "failed", member.why, view.journal(node.name, view.unit(ROLE)))
    if member.nodes < members:
        text = f"sees {member.nodes} of {members} members"
        return Health(ROLE, node.name, "degraded", text, view.journal(node.name, view.unit(ROLE)))
    return Health(ROLE, node.name, "ok", f"one of {member.nodes} members")


def _whole(view: View, said: Mapping[str, Member], disks: Disks | None) -> Health:
    answering = [member for member in said.values() if not member.why]
    if not answering:
        return Health(ROLE, "", "failed", "no member answers for a cluster", view.converge)
    worst = min(answering, key=lambda member: ("red", "yellow", "green").index(member.status))
    text = f"{worst.status}, {len(answering)} of {len(said)} members answer"
    if worst.unassigned:
        text += f", {worst.unassigned} copies of shards have no place"
    if disks and disks.words:
        text += f"; {disks.words}"
    state = _STATES[worst.status] if len(answering) == len(said) else "degraded"
    return Health(ROLE, "", state, text, "" if state == "ok" else view.converge)


def _room(view: View, disks: Disks | None, nodes: Sequence[Node]) -> list[Health]:
    """What the cluster complains about: disks above a watermark, and indices that are closed to writers for it."""
    if disks is None or disks.status not in ("yellow", "red"):
        return []
    text = disks.symptom
    if disks.closed:
        text = f"{disks.closed} indices take no more lines; {text}"
    next_step = f"bootstrap ssh --env {env_argument(view.cluster)} {nodes[0].name} -- elasticsearch-retention --dry-run"
    return [Health(ROLE, "", "failed" if disks.closed else "degraded", text, next_step)]
