"""Whether the machines answer at all: their SSH port."""

from __future__ import annotations

from bootstrap.health import Health, View
from bootstrap.health.net import open_ports

ROLE = "base"


def check(view: View) -> list[Health]:
    """Every node of the environment."""
    port = view.port(ROLE, "ssh")
    targets = [(str(node.address), port) for node in view.cluster.nodes]
    found = open_ports(targets, greeting=b"SSH-2.0-", seconds=view.seconds)
    return [
        Health(ROLE, node.name, "failed", f"SSH {why}", view.converge) if why else Health(ROLE, node.name, "ok", "SSH")
        for node in view.cluster.nodes
        for why in (found[str(node.address), port],)
    ]
