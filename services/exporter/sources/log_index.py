"""What the log index has of each node: its newest canary, and what the shipper says of itself in it.

Every node writes such a line a minute (salt/log-canary); one question for all nodes, whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.exporter import client
from services.exporter.figures import Figures
from services.exporter.settings import Endpoint

_NODES = 10_000
_COUNTERS = {"waiting": "Lines that wait to be shipped"}
_TOTALS = {"lost": "Lines for which there was no room", "refused": "Lines that the index refused"}
_NEWEST = {"@timestamp": {"order": "desc", "numeric_type": "date"}}  # milliseconds, whatever the field keeps
_QUERY = {
    "size": 0,
    "query": {
        "bool": {"filter": [{"term": {"unit": "log-canary.service"}}, {"range": {"@timestamp": {"gte": "now-1d"}}}]}
    },
    "aggs": {
        "nodes": {
            "terms": {"field": "node", "size": _NODES},
            "aggs": {"last": {"top_hits": {"size": 1, "sort": [_NEWEST], "_source": ["json"]}}},
        }
    },
}


async def collect(figures: Figures, endpoint: Endpoint) -> None:
    """`endpoint`: the search of the indices."""
    parse(figures, await client.get_json(endpoint, "?ignore_unavailable=true&allow_no_indices=true", body=_QUERY))


def parse(figures: Figures, answer: Mapping[str, Any]) -> None:
    """From the answer of the search."""
    for bucket in answer.get("aggregations", {}).get("nodes", {}).get("buckets", []):
        labels, last = {"source": str(bucket["key"])}, bucket["last"]["hits"]["hits"][0]
        found = float(last["sort"][0]) / 1000
        figures.gauge("utopia_log_canary_found_seconds", "When its newest canary was written", found, labels)
        told = last.get("_source", {}).get("json") or {}
        for name, text in _COUNTERS.items():
            figures.gauge(f"utopia_log_lines_{name}", text, float(told.get(name, 0)), labels)
        for name, text in _TOTALS.items():
            figures.counter(f"utopia_log_lines_{name}_total", text, float(told.get(name, 0)), labels)
