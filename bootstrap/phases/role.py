"""A role's phase: its components on all its nodes at once, then a rolling restart where configuration changed.

A state never restarts a clustered service; it leaves a marker. Marked nodes are restarted here, followers
before the leader, a batch at a time, and the marker goes only when the readiness probe has passed. An
interrupted roll is continued by the next run, since the markers are on the nodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bootstrap import ensemble_record
from bootstrap.errors import SaltError, StateFailedError
from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase
from bootstrap.salt_returns import FailedState, NodeReturn

APPLY_SECONDS = 900  # a first installation over a slow line; the services' own bounds are in the states
REFRESH_SECONDS = 120  # until every minion has the pillar of today; the master makes one after the other
NODES_PER_JOB = 200  # more minions than this in one job crowd the master's workers


def run(context: Context, phase: Phase) -> PhaseResult:
    """Apply the role; restart what its changes call for. Raises StateFailedError with every node's failure."""
    result = PhaseResult() if context.settled else _converged(context, phase)
    if phase.role == ensemble_record.ROLE:
        ensemble_record.keep(context.cluster)
    return result


def _converged(context: Context, phase: Phase) -> PhaseResult:
    role = context.cluster.roles[phase.role or phase.name]
    returns: dict[str, NodeReturn] = {}
    for start in range(0, len(phase.nodes), NODES_PER_JOB):
        returns |= _apply(context, phase, phase.nodes[start : start + NODES_PER_JOB], phase.components)
    changes = {node: result.changes for node, result in returns.items()}
    for service, at_once in role.beside_roles(context.cluster.roles).restart.items():
        marked = [node for node in phase.nodes if service in returns[node].pending]
        for node, count in _roll(context, phase, service, marked, at_once).items():
            changes[node] += count
    return PhaseResult(changes=changes)


def _roll(context: Context, phase: Phase, service: str, marked: Sequence[str], at_once: str) -> dict[str, int]:
    if not marked:
        return {}
    changes: dict[str, int] = {}
    probe = context.cluster.roles[phase.role or phase.name].probe
    modes = _modes(context, phase, service, marked, probe) if probe else {}
    leaders_last = sorted(marked, key=lambda node: dict(modes.get(node) or {}).get("mode") == "leader")
    size = batch_size(at_once, len(phase.nodes))
    for start in range(0, len(leaders_last), size):
        batch = leaders_last[start : start + size]
        context.progress(phase.name, f"restarting {service} on {', '.join(batch)}")
        for node, result in _apply(context, phase, batch, [f"{service}.restart"]).items():
            changes[node] = result.changes
    return changes


def _modes(context: Context, phase: Phase, service: str, nodes: Sequence[str], probe: str) -> Mapping[str, Any]:
    """What each node's service says of itself. Outside a state run a minion knows the pillar of its last refresh.

    Raises SaltError before anything is restarted where a node cannot say it: the leader could not come last.
    """
    refresh = (True, REFRESH_SECONDS)  # waits until it is there, and does not say whether it was in time
    context.salt.call(nodes, "saltutil.refresh_pillar", *refresh, timeout=REFRESH_SECONDS + 30)
    answers = context.salt.ask(nodes, "readiness.probe", probe, timeout=60)
    if mute := sorted({*answers.failed, *answers.silent}):
        said = {node: answers.failed.get(node, "").splitlines() for node in mute}
        raise SaltError(
            f"{service} was restarted nowhere: {', '.join(mute)} cannot say whether its {service} leads",
            where=f"phase {phase.name}, probe {probe}",
            lines=[f"{node}: {said[node][-1] if said[node] else 'no answer within 60 s'}" for node in mute],
            cause=f"the minion is silent, or has the pillar of an earlier run since the master took longer than "
            f"{REFRESH_SECONDS} s to make today's",
            next_step=f"run the same command again, the marks are kept; if it happens again: "
            f"bootstrap ssh {mute[0]} -- journalctl -u salt-minion -n 30",
        )
    return answers.values


def batch_size(at_once: str, nodes: int) -> int:
    """`"1"` -> 1; `"10%"` of 500 -> 50; never below one."""
    if at_once.endswith("%"):
        return max(1, math.floor(nodes * int(at_once[:-1]) / 100))
    return max(1, int(at_once))


def _apply(context: Context, phase: Phase, nodes: Sequence[str], sls: Sequence[str]) -> dict[str, NodeReturn]:
    def on_return(node: str, result: NodeReturn) -> None:
        text = f"{len(result.failed)} failed" if result.failed else f"{result.changes} changes"
        context.progress(phase.name, f"{text} ({result.seconds:.1f} s)", node=node)

    # A service may refuse its restart unless it is named here.
    told = {"restart_anyway": list(context.restart_anyway)} if context.restart_anyway else {}
    returns = context.salt.apply(
        nodes, sls, timeout=APPLY_SECONDS, on_return=on_return, pillar=told, sums=context.state_sums
    )
    failed = {node: result.failed for node, result in returns.items() if result.failed}
    if failed:
        raise _failure(phase, failed)
    return dict(returns)


def _failure(phase: Phase, failed: Mapping[str, Sequence[FailedState]]) -> StateFailedError:
    lines = [f"{node}: {state}" for node, states in failed.items() for state in states]
    return StateFailedError(
        f"states of '{phase.name}' failed on {', '.join(sorted(failed))}",
        where=f"phase {phase.name}",
        lines=lines,
        cause="the first failed state of each node is listed first; later ones may only follow from it",
        next_step=f"bootstrap ssh {min(failed)} -- journalctl -e; then run the same command again",
    )
