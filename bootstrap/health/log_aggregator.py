"""Aggregators of log lines: does each take connections. What they lose is told with the lines of their nodes."""

from __future__ import annotations

from bootstrap.health import Health, View
from bootstrap.health.net import open_ports

ROLE = "log-aggregator"


def check(view: View) -> list[Health]:
    """Every node that has the role."""
    nodes, port = view.cluster.with_role(ROLE), view.port(ROLE, "forward")
    found = open_ports([(str(node.address), port) for node in nodes], seconds=view.seconds / 2)
    return [
        Health(ROLE, node.name, "failed", f"port {port} {why}", view.journal(node.name, view.unit(ROLE)))
        if (why := found.get((str(node.address), port), ""))
        else Health(ROLE, node.name, "ok", "takes the lines of shippers")
        for node in nodes
    ]
