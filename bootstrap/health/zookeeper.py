"""ZooKeeper's members, asked with the four-letter word `mntr`."""

from __future__ import annotations

from functools import partial

from bootstrap.health import Health, View
from bootstrap.health.net import UnansweredError, ask, gather
from bootstrap.model import Node

ROLE = "zookeeper"


def monitor(address: str, port: int, *, seconds: float) -> dict[str, str]:
    """`mntr` as a mapping, e.g. {"zk_server_state": "leader", ...}. Raises UnansweredError."""
    text = ask(address, port, b"mntr", seconds=seconds)
    values = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    if "zk_server_state" not in values:
        raise UnansweredError(_why(text))
    return values


def check(view: View) -> list[Health]:
    """Every member, and the ensemble as a whole."""
    members = view.cluster.with_role(ROLE)
    port = view.port(ROLE, "client")
    answers = gather({node.name: partial(_member, node, port, view.seconds) for node in members}, view.seconds + 0.2)
    found = [_judge(view, node, answers[node.name] or "does not answer in time", len(members)) for node in members]
    modes = {name: answer["zk_server_state"] for name, answer in answers.items() if isinstance(answer, dict)}
    return [*found, _ensemble(view, modes, len(members), _synced(answers))]


def _member(node: Node, port: int, seconds: float) -> dict[str, str] | str:
    try:
        return monitor(str(node.address), port, seconds=seconds)
    except UnansweredError as error:
        return str(error)


def _judge(view: View, node: Node, answer: dict[str, str] | str, members: int) -> Health:
    if isinstance(answer, str):
        return Health(ROLE, node.name, "failed", answer, view.journal(node.name, "zookeeper"))
    mode = answer["zk_server_state"]
    if members > 1 and mode == "standalone":
        return Health(ROLE, node.name, "failed", "runs alone, outside the ensemble", view.converge)
    return Health(ROLE, node.name, "ok", mode)


def _ensemble(view: View, modes: dict[str, str], members: int, synced: int | None) -> Health:
    leaders = [name for name, mode in modes.items() if mode in ("leader", "standalone")]
    if not leaders:
        text = f"no quorum: {len(modes)} of {members} members serve, {members // 2 + 1} are needed"
        return Health(ROLE, "", "failed", text, view.converge)
    if len(leaders) > 1:
        return Health(ROLE, "", "failed", f"more than one leader: {', '.join(leaders)}", view.converge)
    text = f"leader {leaders[0]}, {len(modes)} of {members} members serve"
    if members > 1 and synced is not None and synced < members - 1:
        return Health(ROLE, "", "degraded", f"{text}, {synced} of {members - 1} followers in step", view.converge)
    return Health(ROLE, "", "ok" if len(modes) == members else "degraded", text, view.converge)


def _synced(answers: dict[str, dict[str, str] | str | None]) -> int | None:
    """What the leader says of its followers."""
    for answer in answers.values():
        if isinstance(answer, dict) and "zk_synced_followers" in answer:
            return int(float(answer["zk_synced_followers"]))
    return None


def _why(text: str) -> str:
    if "not currently serving" in text:
        return "runs, but serves nothing: it finds no quorum"
    if "not in the whitelist" in text or "is not executed" in text:
        return "does not allow the word mntr"
    return "does not speak as ZooKeeper does"
