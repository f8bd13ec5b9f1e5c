"""Phase `preflight`: what must hold before anything is touched, all findings at once."""

from __future__ import annotations

from bootstrap import preflight
from bootstrap.errors import PreflightError
from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase


def run(context: Context, phase: Phase) -> PhaseResult:
    """Raises PreflightError with every finding that forbids going on; the others become notes."""
    findings = preflight.check(context.cluster)
    fatal = [finding for finding in findings if finding.severity == "error"]
    if fatal:
        raise PreflightError(
            f"{len(fatal)} thing{'s' if len(fatal) > 1 else ''} must be put right first",
            where=f"environment {context.cluster.env}",
            lines=[str(finding) for finding in fatal],
            next_step="put them right, then run the same command again",
        )
    return PhaseResult(notes=tuple(str(finding) for finding in findings))
