"""Phase `machines`: the driver makes what is missing; the pinned ids are remembered."""

from __future__ import annotations

from bootstrap import config
from bootstrap.phases import Context, PhaseResult
from bootstrap.plan import Phase


def run(context: Context, phase: Phase) -> PhaseResult:
    """Every node has a machine that answers on its SSH port."""
    created = context.driver.create(context.teller(phase.name))
    context.machines = created.machines
    context.hosts.write_ssh_config()
    config.remember_ids(context.cluster)
    if not any(created.changes.values()):
        context.machines_were_there()
    return PhaseResult(changes=created.changes)
