"""When the newest whole snapshot of the log index was taken, where there is a place for them.

The place may be a bucket far away, and snapshots come by the night: it is asked every few minutes, whoever asks us.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from services.exporter import client
from services.exporter.figures import Figures
from services.exporter.settings import Endpoint

KEPT_SECONDS = 300.0
_NEWEST = "/*?sort=start_time&order=desc&size=20&index_names=false"


class Snapshots:
    """The last answer, for a while."""

    def __init__(self) -> None:
        self._taken = 0.0
        self._asked = float("-inf")

    async def collect(self, figures: Figures, endpoint: Endpoint) -> None:
        """`endpoint`: the repository."""
        if time.monotonic() - self._asked > KEPT_SECONDS:
            self._taken = newest(await client.get_json(endpoint, _NEWEST))
            self._asked = time.monotonic()
        text = "When the newest whole snapshot was begun, 0 = there is none"
        figures.gauge("elasticsearch_snapshot_taken_seconds", text, self._taken)


def newest(answer: Mapping[str, Any]) -> float:
    """Unix time of the newest one in which no shard is missing; 0 where there is none."""
    whole = (each for each in answer["snapshots"] if each["state"] == "SUCCESS")
    return max((each["start_time_in_millis"] / 1000 for each in whole), default=0.0)
