"""Marathon, whichever provider it is: every instance is asked who leads, and the leader what it runs."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bootstrap.health import Health, State, View, exits
from bootstrap.health.mesos import read
from bootstrap.health.net import Login, UnansweredError, gather
from bootstrap.model import Node

ROLE = "marathon"
SECRET = "marathon-operator"  # noqa: S105 - its name
OLD_SECONDS = 30 * 60  # a deployment that takes longer than this waits for something


@dataclass(frozen=True, slots=True)
class Instance:
    """What one instance says. `leader` is host:port; `why`: it gave no answer."""

    leader: str = ""
    framework: str = ""
    why: str = ""
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What the leader runs. `oldest`: seconds since the oldest deployment began."""

    apps: int
    tasks: int
    unhealthy: int
    deployments: int
    oldest: float = 0.0

    def __str__(self) -> str:
        parts = [_some(self.apps, "application"), _some(self.tasks, "task"), _some(self.deployments, "deployment")]
        parts += [f"{self.unhealthy} unhealthy"] if self.unhealthy else []
        return ", ".join(parts)


def ask(address: str, port: int, login: Login, *, seconds: float) -> Instance:
    """Who leads, and whether Mesos knows the framework."""
    try:
        leader = read(address, port, "/v2/leader", login, seconds=seconds)
        info = read(address, port, "/v2/info", login, seconds=seconds)
        return Instance(str(leader.get("leader") or ""), str(info.get("frameworkId") or ""))
    except UnansweredError as error:
        return Instance(why=str(error))


def work(address: str, port: int, login: Login, *, seconds: float, now: datetime.datetime | None = None) -> Work:
    """Counts of the leader. Raises UnansweredError."""
    apps = read(address, port, "/v2/apps?embed=apps.counts", login, seconds=seconds)["apps"]
    deployments = read(address, port, "/v2/deployments", login, seconds=seconds)
    now = now or datetime.datetime.now(datetime.UTC)
    began = [datetime.datetime.fromisoformat(str(each["version"])) for each in deployments]
    return Work(
        apps=len(apps),
        tasks=sum(app.get("tasksRunning", 0) for app in apps),
        unhealthy=sum(app.get("tasksUnhealthy", 0) for app in apps),
        deployments=len(deployments),
        oldest=max(((now - each).total_seconds() for each in began), default=0.0),
    )


def check(view: View) -> list[Health]:
    """Every instance, and the leader's work."""
    login = view.logins.get(SECRET)
    if login is None:
        return [Health(ROLE, "", "failed", "no operator's login yet: this environment is not made", view.converge)]
    nodes = view.cluster.with_role(ROLE)
    port = view.port(ROLE, "http")
    jobs = {node.name: partial(_asked, view, node, port, login) for node in nodes}
    asked = gather(jobs, view.seconds + 0.3)
    said = {name: answer or Instance(why="does not answer in time") for name, answer in asked.items()}
    addresses = {f"{node.address}:{port}": node for node in nodes}
    found = [_judge(view, node, said[node.name], f"{node.address}:{port}") for node in nodes]
    return [*found, _whole(view, said, addresses, login)]


def _asked(view: View, node: Node, port: int, login: Login) -> Instance:
    instance = ask(str(node.address), port, login, seconds=view.seconds / 2)
    if instance.why == "refuses connections":
        return Instance(why=instance.why, status=exits.last(view, node.name, view.unit(ROLE)))
    return instance


def _judge(view: View, node: Node, instance: Instance, own: str) -> Health:
    if instance.why:
        advice = exits.advice(instance.status)
        text = f"{instance.why}; {advice}" if advice else instance.why
        return Health(ROLE, node.name, "failed", text, view.journal(node.name, view.unit(ROLE)))
    if not instance.leader:
        return Health(ROLE, node.name, "failed", "knows no leader", view.journal(node.name, view.unit(ROLE)))
    return Health(ROLE, node.name, "ok", "leader" if instance.leader == own else "standby")


def _whole(view: View, said: Mapping[str, Instance], nodes: Mapping[str, Node], login: Login) -> Health:
    leaders = sorted({instance.leader for instance in said.values() if instance.leader})
    answering = sum(not instance.why for instance in said.values())
    if len(leaders) != 1:
        text = f"more than one leader: {', '.join(leaders)}" if leaders else f"no leader ({_of(answering, said)})"
        return Health(ROLE, "", "failed", text, view.converge)
    node = nodes.get(leaders[0])
    if node is None:
        return Health(ROLE, "", "failed", f"{leaders[0]} leads, which is in no file", view.converge)
    if not any(instance.framework for instance in said.values()):
        text = f"leader {node.name}, and Mesos has not registered its framework"
        return Health(ROLE, "", "failed", text, view.journal(node.name, view.unit(ROLE)))
    try:
        done = work(str(node.address), view.port(ROLE, "http"), login, seconds=view.seconds / 2)
    except UnansweredError as error:
        return Health(ROLE, node.name, "failed", f"leads, and {error}", view.journal(node.name, view.unit(ROLE)))
    text = f"leader {node.name}, {_of(answering, said)}; {done}"
    state: State = "ok" if answering == len(said) else "degraded"
    if done.oldest > OLD_SECONDS:
        text += f", the oldest for {done.oldest / 60:.0f} minutes: it waits for resources or for healthy instances"
        state = "degraded"
    return Health(ROLE, "", state, text, "" if state == "ok" else view.converge)


def _of(answering: int, said: Mapping[str, Any] | Sequence[Any]) -> str:
    return f"{answering} of {len(said)} instances answer"


def _some(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
