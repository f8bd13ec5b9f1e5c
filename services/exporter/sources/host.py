"""The node itself: services that wait for a restart, units that failed, and where its own name leads."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

from services.exporter.figures import Figures
from services.exporter.program import output


def markers(figures: Figures, folder: str) -> None:
    """Since when each marked service has waited for its restart."""
    waiting = sorted(Path(folder).glob("*"))
    figures.gauge("utopia_restarts_due", "Services that wait for a restart", len(waiting))
    for path in waiting:
        age = time.time() - path.stat().st_mtime
        figures.gauge("utopia_restart_due_seconds", "How long it has waited", age, {"service": path.name})


async def own_name(figures: Figures, address: str) -> None:
    """Whether programs that look their own name up find the node's address, as Mesos and Marathon may at a start."""
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(socket.gethostname(), None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except socket.gaierror:
        found = []
    text = "1 while the node's own name leads to its address and to no other"
    figures.gauge("utopia_own_name_right", text, float({place[0] for *_, place in found} == {address}))


async def failed_units(figures: Figures) -> None:
    """Units that systemd calls failed."""
    out = await output("systemctl", "list-units", "--state=failed", "--plain", "--no-legend")
    names = [line.split()[0] for line in out.decode(errors="replace").splitlines() if line.strip()]
    figures.gauge("utopia_failed_units", "Units that systemd calls failed", len(names))
    for name in names:
        figures.gauge("utopia_unit_failed", "1 for each of them", 1, {"unit": name})
