"""Phase `preflight`: what must hold before anything is touched, all findings at once."""

from __future__ import annotations

from bootstrap import preflight, whose_machines
from bootstrap.errors import PreflightError
from bootstrap.model import ADMIN_ROLE
from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase
from bootstrap.preflight import record
from bootstrap.preflight.inspection import Inspection, inspect


def run(context: Context, phase: Phase) -> PhaseResult:
    """Raises PreflightError with every finding that forbids going on; the others become notes.

    Nodes that an earlier run found good, as what they are now, are not asked again.
    """
    context.secrets.require(sorted({name for names in context.plan.secrets.values() for name in names}))
    cluster, machines = context.cluster, context.machines
    findings = list(preflight.check(cluster))
    asked = record.unknown(cluster, machines)
    inspection = Inspection((), {}, ())
    if asked:
        context.progress(phase.name, f"asking {len(asked)} node{'s' if len(asked) > 1 else ''}")
        inspection = inspect(cluster, context.hosts, machines, asked)
        findings += inspection.findings
    fatal = [finding for finding in findings if finding.severity == preflight.ERROR]
    if fatal and len(fatal) == len(inspection.errors):
        raise next(
            iter(inspection.errors.values())
        )  # nothing but nodes that do not answer: that has a status of its own
    if fatal:
        if cluster.with_role(ADMIN_ROLE)[0].name in asked:  # full of what is somebody else's: one sentence says why
            whose_machines.refuse_by_file(cluster, context.hosts)
        raise PreflightError(
            f"{len(fatal)} thing{'s' if len(fatal) > 1 else ''} must be put right first",
            where=f"environment {cluster.env}",
            lines=[str(finding) for finding in fatal],
            next_step="put them right, then run the same command again; `bootstrap preflight` looks again and"
            " touches nothing",
        )
    if asked:
        record.keep(cluster, machines, asked)
    return PhaseResult(notes=tuple(str(finding) for finding in findings))
