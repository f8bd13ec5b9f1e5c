"""What a topology must hold. A rule is a function from a Draft to its findings; adding one is a line in RULES."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bootstrap.checks.draft import Draft
from bootstrap.checks.finding import Finding

Rule = Callable[[Draft], Iterator[Finding]]


def rules() -> tuple[Rule, ...]:
    """Every rule, in the order in which its findings are told."""
    from bootstrap.checks import (
        drivers,
        ensemble_steps,
        ensembles,
        log_shipping,
        marathon_flags,
        nodes,
        ports,
        providers,
        resources,
        settings,
        versions,
        waivers,
    )

    return (
        nodes.environment,
        drivers.driver,
        drivers.production,
        nodes.domain,
        nodes.network,
        nodes.names,
        nodes.duplicate_names,
        nodes.addresses,
        nodes.duplicate_addresses,
        ensembles.counts,
        ensembles.needs,
        ensembles.beside,
        ensembles.ids,
        ensembles.remembered_ids,
        ensemble_steps.grown,
        ensemble_steps.shrunk,
        ports.collisions,
        ports.offered,
        resources.agents_only,
        resources.resources,
        resources.attributes,
        providers.providers,
        versions.versions,
        waivers.waivers,
        settings.settings,
        marathon_flags.flags,
        log_shipping.aggregators,
        ensembles.spare,
    )


def run(draft: Draft) -> list[Finding]:
    """The findings of all rules."""
    return [finding for rule in rules() for finding in rule(draft)]
