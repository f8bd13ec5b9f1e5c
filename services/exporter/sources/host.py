"""What the toolkit itself leaves on a node: services that wait for a restart, and units that failed."""

from __future__ import annotations

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


async def failed_units(figures: Figures) -> None:
    """Units that systemd calls failed."""
    out = await output("systemctl", "list-units", "--state=failed", "--plain", "--no-legend")
    names = [line.split()[0] for line in out.decode(errors="replace").splitlines() if line.strip()]
    figures.gauge("utopia_failed_units", "Units that systemd calls failed", len(names))
    for name in names:
        figures.gauge("utopia_unit_failed", "1 for each of them", 1, {"unit": name})
