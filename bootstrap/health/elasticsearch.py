"""Elasticsearch: every member is asked for the health of the cluster it is in, over verified TLS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bootstrap import paths
from bootstrap.health import Health, State, View
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
    jobs = {node.name: partial(ask, str(node.address), port, login, ca, seconds=view.seconds) for node in nodes}
    answers = gather(jobs, view.seconds + 0.3)
    said = {name: answer or Member(why="does not answer in time") for name, answer in answers.items()}
    return [*(_judge(view, node, said[node.name], len(nodes)) for node in nodes), _whole(view, said)]


def _judge(view: View, node: Node, member: Member, members: int) -> Health:
    if member.why:
        return Health(ROLE, node.name, "failed", member.why, view.journal(node.name, view.unit(ROLE)))
    if member.nodes < members:
        text = f"sees {member.nodes} of {members} members"
        return Health(ROLE, node.name, "degraded", text, view.journal(node.name, view.unit(ROLE)))
    return Health(ROLE, node.name, "ok", f"one of {member.nodes} members")


def _whole(view: View, said: Mapping[str, Member]) -> Health:
    answering = [member for member in said.values() if not member.why]
    if not answering:
        return Health(ROLE, "", "failed", "no member answers for a cluster", view.converge)
    worst = min(answering, key=lambda member: ("red", "yellow", "green").index(member.status))
    text = f"{worst.status}, {len(answering)} of {len(said)} members answer"
    if worst.unassigned:
        text += f", {worst.unassigned} copies of shards have no place"
    state = _STATES[worst.status] if len(answering) == len(said) else "degraded"
    return Health(ROLE, "", state, text, "" if state == "ok" else view.converge)
