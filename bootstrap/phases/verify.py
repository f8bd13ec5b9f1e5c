"""Phase `verify`: Testinfra on every node; its verdict is the run's."""

from __future__ import annotations

from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase


def run(context: Context, phase: Phase) -> PhaseResult:
    """Raises VerifyError with the failed checks."""
    verdict = context.verdict(context.teller(phase.name))
    verdict.raise_if_failed()
    return PhaseResult(notes=(f"{verdict.passed} checks passed",))
