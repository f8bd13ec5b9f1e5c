"""Phase `seal`: a dry run after the roles tells what a second run would change, and seals nodes where all holds."""

from __future__ import annotations

from bootstrap import settled
from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase

_MOST = 5  # states told of each node


def run(context: Context, phase: Phase) -> PhaseResult:
    """Never a change. What a second run would change is a remark, and which nodes it has to look at in whole."""
    if context.settled or not context.served:
        return PhaseResult()
    found = settled.seal(phase.nodes, context.salt, context.served)
    moving = [
        f"a second run would not find {node} as it is wanted: {line}"
        for node, lines in found.moving.items()
        for line in lines[:_MOST]
    ]
    unsealed = [f"{node} has no seal, so runs take longer: {why}" for node, why in found.unsealed.items()]
    return PhaseResult(notes=(*moving, *unsealed))
