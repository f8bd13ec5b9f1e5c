"""Mesos: every master is asked for itself, and the leading one for all agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bootstrap.health import Health, State, View, env_argument
from bootstrap.health.net import Answer, Login, UnansweredError, gather, get, open_ports
from bootstrap.model import Node

MASTER, AGENT = "mesos-master", "mesos-agent"


@dataclass(frozen=True, slots=True)
class Master:
    """What a master says of itself. `agents` only from the leader: its /slaves. `why`: it gave no answer."""

    elected: bool = False
    recovered: bool = False
    quorum: int = 0
    agents: dict[str, Any] | None = field(default=None, repr=False)
    why: str = ""


def read(address: str, port: int, path: str, login: Login, *, seconds: float) -> Any:
    """JSON of an endpoint that wants the operator's login. Raises UnansweredError."""
    answer: Answer = get(address, port, path, login=login, seconds=seconds)
    if answer.status == 401:
        raise UnansweredError("refuses the operator's login")
    if answer.status != 200:
        raise UnansweredError(f"answers {answer.status} to {path}")
    return answer.json()


def ask_master(address: str, port: int, login: Login, *, seconds: float) -> Master:
    """Its metrics and flags; from the leader the agents as well."""
    try:
        metrics = read(address, port, "/metrics/snapshot", login, seconds=seconds)
        flags = read(address, port, "/flags", login, seconds=seconds)["flags"]
        elected = bool(metrics.get("master/elected"))
        return Master(
            elected=elected,
            recovered=bool(metrics.get("registrar/log/recovered")),
            quorum=int(flags.get("quorum", 1)),
            agents=read(address, port, "/slaves", login, seconds=seconds) if elected else None,
        )
    except UnansweredError as error:
        return Master(why=str(error))


def differences(wanted: Mapping[str, object], found: Mapping[str, str]) -> list[str]:
    """Flags that are not in force. Those read from files are left out: the answer holds the files' content."""
    return [
        f"flag {name} is {found.get(name)}, must be {value}"
        for name, value in wanted.items()
        if not str(value).startswith("file://") and found.get(name) != str(value)
    ]


def check(view: View) -> list[Health]:
    """Masters, their leader and, through it, the agents."""
    masters = view.cluster.with_role(MASTER)
    if view.operator is None:
        return [Health(MASTER, "", "failed", "no operator's login yet: this environment is not made", view.converge)]
    port = view.port(MASTER, "http")
    asked = gather(
        {
            node.name: partial(ask_master, str(node.address), port, view.operator, seconds=view.seconds)
            for node in masters
        },
        view.seconds + 0.2,
    )
    said = {name: answer or Master(why="does not answer in time") for name, answer in asked.items()}
    quorum = len(masters) // 2 + 1
    found = [_judge(view, node, said[node.name], quorum) for node in masters]
    leaders = [name for name, master in said.items() if master.elected]
    found.append(_leadership(view, leaders, sum(not master.why for master in said.values()), len(masters)))
    agents = said[leaders[0]].agents if len(leaders) == 1 else None
    return found + (_unled(view) if agents is None else _agents(view, agents))


def _judge(view: View, node: Node, master: Master, quorum: int) -> Health:
    if master.why:
        return Health(MASTER, node.name, "failed", master.why, view.journal(node.name, MASTER))
    mode = "leader" if master.elected else "standby"
    if master.quorum != quorum:
        text = f"{mode}, but runs with quorum {master.quorum} where {quorum} is right: the registry is in danger"
        return Health(MASTER, node.name, "failed", text, view.converge)
    if master.elected and not master.recovered:
        return Health(MASTER, node.name, "degraded", "leader, its registry is not recovered yet", view.converge)
    return Health(MASTER, node.name, "ok", mode)


def _leadership(view: View, leaders: list[str], answering: int, masters: int) -> Health:
    if not leaders:
        return Health(MASTER, "", "failed", f"no leader ({answering} of {masters} masters answer)", view.converge)
    if len(leaders) > 1:
        return Health(MASTER, "", "failed", f"more than one leader: {', '.join(leaders)}", view.converge)
    state: State = "ok" if answering == masters else "degraded"
    return Health(MASTER, "", state, f"leader {leaders[0]}, {answering} of {masters} masters answer", view.converge)


def _agents(view: View, slaves: dict[str, Any]) -> list[Health]:
    """One answer of the leader tells about all agents."""
    nodes = view.cluster.with_role(AGENT)
    known = {str(node.address): node.name for node in nodes}
    active = {_address(agent): agent for agent in slaves.get("slaves", []) if agent.get("active")}
    gone = {_address(agent) for agent in slaves.get("slaves", []) if not agent.get("active")}
    recovering = {_address(agent) for agent in slaves.get("recovered_slaves", [])}
    closed = _closed(view, [address for address in known if address not in active])
    found = []
    for address, name in known.items():
        if address in active:
            found.append(Health(AGENT, name, "ok", _use(active[address])))
            continue
        why = "lost: the leader has no connection to it" if address in gone else "not registered with the leader"
        why = "not back yet since the leader changed" if address in recovering else why
        why += f"; it {closed[address]}" if closed[address] else ""
        found.append(Health(AGENT, name, "failed", why, view.journal(name, AGENT)))
    for address in active.keys() - known.keys():
        text = f"an agent that is in no file is registered: {address}"
        found.append(Health(AGENT, "", "degraded", text, f"bootstrap nodes --env {env_argument(view.cluster)}"))
    return found


def _unled(view: View) -> list[Health]:
    """Nobody leads: whether the agents' processes live can be seen all the same."""
    nodes = view.cluster.with_role(AGENT)
    closed = _closed(view, [str(node.address) for node in nodes])
    return [
        Health(AGENT, node.name, "failed", closed[str(node.address)] or "runs, but no master leads it", view.converge)
        for node in nodes
    ]


def _closed(view: View, addresses: Sequence[str]) -> dict[str, str]:
    """Why these agents take no connection, "" for those that do. Short: the masters were asked before."""
    if not addresses:
        return {}
    port = view.port(AGENT, "http")
    found = open_ports(((address, port) for address in addresses), seconds=0.6)
    return {address: found[address, port] for address in addresses}


def _address(agent: dict[str, Any]) -> str:
    """From the process id, `slave(1)@10.0.0.1:5051`: the host name may be spelled in more than one way."""
    return str(agent.get("pid", "")).rpartition("@")[2].rpartition(":")[0]


def _use(agent: dict[str, Any]) -> str:
    used, all_of_it = agent.get("used_resources", {}), agent.get("resources", {})
    return f"active, {used.get('cpus', 0):g} of {all_of_it.get('cpus', 0):g} CPUs in use"
