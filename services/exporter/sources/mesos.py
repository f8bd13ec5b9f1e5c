"""The snapshots of the Mesos master and agent."""

from __future__ import annotations

from services.exporter import client
from services.exporter.figures import Figures, flat
from services.exporter.settings import Endpoint


async def collect(figures: Figures, endpoint: Endpoint) -> None:
    """Every number of `/metrics/snapshot`: `mesos_master_slaves_active` is `master/slaves_active`."""
    for name, value in (await client.get_json(endpoint, "/metrics/snapshot")).items():
        if isinstance(value, int | float):
            figures.gauge(f"mesos_{flat(name)}", f"Mesos: {name}", value)
