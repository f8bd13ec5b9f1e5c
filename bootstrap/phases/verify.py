"""Phase `verify`: Testinfra on every node; its verdict is the run's."""

from __future__ import annotations

import time

from bootstrap import canary, log_index, verified
from bootstrap.model import Cluster
from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase


def run(context: Context, phase: Phase) -> PhaseResult:
    """Raises VerifyError with the failed checks."""
    verdict = context.verdict(context.teller(phase.name))
    if not verdict.ok:
        verified.forget(context.cluster)
    verdict.raise_if_failed()
    verified.remember(context.cluster)
    return PhaseResult(notes=(f"{verdict.passed} checks passed", *_canary(context.cluster)))


def _canary(cluster: Cluster) -> tuple[str, ...]:
    """What the last canary took: of these checks, or of phase smoke, whichever let one sing."""
    last = canary.kept(cluster.env) if cluster.with_role(log_index.ROLE) else None
    if last is None:
        return ()
    at, seconds = last
    return (f"the canary's line of {max(0.0, time.time() - at):.0f} s ago was found after {seconds:.1f} s",)
