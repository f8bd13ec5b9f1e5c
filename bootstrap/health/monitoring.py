"""The exporters: does every node tell its figures. Asked of Prometheus in one question, else at the nodes' ports."""

from __future__ import annotations

from bootstrap.health import Health, View, alerts
from bootstrap.health.net import UnansweredError, open_ports
from bootstrap.scraping import SCRAPE_SECRET

ROLE = "monitoring"


def check(view: View) -> list[Health]:
    """Every node that has the role."""
    nodes = view.cluster.with_role(ROLE)
    if SCRAPE_SECRET not in view.cluster.roles[ROLE].secrets:  # a provider that tells it to somebody else
        why = f"{view.unit(ROLE)} tells its figures elsewhere: bootstrap verify asks the unit"
        return [Health(ROLE, node.name, "unasked", why) for node in nodes]
    try:
        told = alerts.query(view, 'up{job="utopia"}', seconds=view.seconds / 2) if alerts.present(view) else {}
    except UnansweredError:
        told = {}
    silent = [node for node in nodes if told.get(node.name) != 1]
    port = view.port(ROLE, "exporter")
    found = open_ports([(str(node.address), port) for node in silent], seconds=view.seconds / 2)
    rows = []
    for node in nodes:
        why = found.get((str(node.address), port), "")
        unit = view.journal(node.name, view.unit(ROLE))
        rows.append(
            Health(ROLE, node.name, "failed", f"the exporter {why}", unit)
            if why
            else Health(ROLE, node.name, "ok", "tells its figures")
        )
    return rows
