"""Phase `seal`: a dry run after the roles tells what a second run would change, and seals nodes where all holds."""

from __future__ import annotations

from bootstrap import settled
from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase

_MOST = 5  # states told of each node


def run(context: Context, phase: Phase) -> PhaseResult:
    """Never a change. A state that would not hold in a second run is a remark: it was applied a moment ago."""
    if context.settled or not context.served:
        return PhaseResult()
    found = settled.seal(phase.nodes, context.salt, context.served)
    return PhaseResult(
        notes=tuple(
            f"a second run would not find {node} as it is wanted: {line}"
            for node, lines in found.items()
            for line in lines[:_MOST]
        )
    )
