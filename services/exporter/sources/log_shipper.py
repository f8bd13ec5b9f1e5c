"""What the log shipper of this node says of itself, whether the index can be asked or not."""

from __future__ import annotations

import json

from services.exporter.figures import Figures
from services.exporter.program import output

_GAUGES = {"waiting": "Lines that wait to be shipped (chunks of them, with Fluentd)"}
_FULL = "Share of the buffer that is taken, where the shipper tells it"
_TOTALS = {"lost": "Lines for which there was no room", "refused": "Lines that the index refused"}


async def collect(figures: Figures, program: str) -> None:
    """`program` prints the shipper's counters as one line of JSON. OSError, ValueError, KeyError."""
    told = json.loads(await output(program))
    for name, text in _GAUGES.items():
        figures.gauge(f"utopia_log_lines_{name}", text, float(told[name]))
    if "full" in told:
        figures.gauge("utopia_log_buffer_full_share", _FULL, float(told["full"]))
    for name, text in _TOTALS.items():
        figures.counter(f"utopia_log_lines_{name}_total", text, float(told[name]))
