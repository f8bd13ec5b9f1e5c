"""What Debian's exporter of Elasticsearch, beside this one, does not tell: indices that a full disk closed."""

from __future__ import annotations

from typing import Any

from services.exporter import client
from services.exporter.figures import Figures
from services.exporter.settings import Endpoint


async def collect(figures: Figures, endpoint: Endpoint) -> None:
    """`endpoint`: a member."""
    parse(figures, await client.get_json(endpoint, "/_health_report/disk"))


def parse(figures: Figures, report: dict[str, Any]) -> None:
    """From the health report; a member that knows no master knows of no index."""
    closed = report["indicators"]["disk"].get("details", {}).get("indices_with_readonly_block", 0)
    figures.gauge("elasticsearch_indices_readonly", "Indices that a full disk closed to writers", closed)
