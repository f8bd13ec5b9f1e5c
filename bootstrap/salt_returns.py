"""What a minion's return says: changes, failed states, pending restarts. Pure; nothing is connected to.

Exit codes of Salt's clients are not to be trusted (salt#18510, pepper#195), so every return is walked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SEPARATOR = "_|-"
_UNSEALED = "unsealed"  # of a dry run: no state, but why the node got no seal (salt/_modules/dry_run.py)
_FOLLOWS = "One or more requisite failed"  # such a state failed only because another one did


@dataclass(frozen=True, slots=True)
class FailedState:
    """A state that ended with `result: false`, or a whole run that could not be rendered (`sls` is "")."""

    id: str
    sls: str
    function: str
    comment: str

    def __str__(self) -> str:
        place = f" ({self.sls}, {self.function})" if self.sls else ""
        return f"{self.id}{place}: {self.comment}"


@dataclass(frozen=True, slots=True)
class NodeReturn:
    """One node's return of `state.apply`. `pending`: services with a restart marker; `seconds`: wall clock."""

    node: str
    changes: int
    failed: tuple[FailedState, ...]
    pending: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Every state held."""
        return not self.failed


def walk(node: str, data: Mapping[str, Any], seconds: float) -> NodeReturn:
    """Read a job return (`return`, `retcode`, `success`) of `state.apply`."""
    states = data.get("return")
    if not isinstance(states, Mapping):
        lines = states if isinstance(states, list) else [states]
        text = "; ".join(str(line).strip() for line in lines if line) or "the minion returned nothing"
        return NodeReturn(node, 0, (FailedState("state.apply", "", "", text),), (), seconds)
    failed: list[FailedState] = []
    pending: list[str] = []
    changes = 0
    for key, state in states.items():
        if not isinstance(state, Mapping):
            failed.append(FailedState(str(key), "", "", f"not a state's result: {state!r}"))
            continue
        changes += bool(state.get("changes"))
        if state.get("result") is False:
            failed.append(_failed(key, state))
        if _is_pending(key, state):
            pending.append(str(state.get("name")))
    if not states:
        failed.append(FailedState("state.apply", "", "", "no state was run"))
    elif not failed and data.get("retcode"):
        failed.append(FailedState("state.apply", "", "", f"the minion ended with code {data['retcode']}"))
    # Causes first, what only follows from them after; Salt's order within.
    failed.sort(key=lambda state: state.comment.startswith(_FOLLOWS))
    return NodeReturn(node, changes, tuple(failed), tuple(pending), seconds)


def not_holding(states: object) -> list[str]:
    """What a dry run found that does not hold, a line each; [] when every state does and no service waits."""
    if not isinstance(states, Mapping) or not states:
        lines = states if isinstance(states, list) else []
        return [str(line) for line in lines] or ["the dry run gave no answer"]
    return [_told(key, state) for key, state in states.items() if key != _UNSEALED and not _holds(key, state)]


def unsealed(states: object) -> str:
    """Why a node on which every state holds got no seal; "" when it has one, or a state does not hold."""
    return str(states.get(_UNSEALED, "")) if isinstance(states, Mapping) else ""


def _holds(key: str, state: object) -> bool:
    if not isinstance(state, Mapping) or state.get("result") is not True or state.get("changes"):
        return False
    return not _is_pending(key, state)


def _told(key: str, state: object) -> str:
    parts = key.split(_SEPARATOR)
    comment = str(state.get("comment") or "") if isinstance(state, Mapping) else ""
    return f"{parts[1] if len(parts) > 1 else key}: {''.join(comment.splitlines()[:1])}".removesuffix(": ")


def _is_pending(key: str, state: Mapping[str, Any]) -> bool:
    ours = key.startswith("restart" + _SEPARATOR) and key.endswith(_SEPARATOR + "pending")
    return ours and state.get("comment") == "pending"


def _failed(key: str, state: Mapping[str, Any]) -> FailedState:
    parts = key.split(_SEPARATOR)
    function = f"{parts[0]}.{parts[-1]}" if len(parts) >= 4 else key
    comment = state.get("comment", "")
    text = "\n".join(str(line) for line in comment) if isinstance(comment, list) else str(comment)
    sls = str(state.get("__sls__") or "-")
    return FailedState(str(state.get("__id__") or (parts[1] if len(parts) > 1 else key)), sls, function, text)
