"""When the newest canary was written that the log index has of each node.

Every node writes such a line a minute (salt/log-canary); one question for all nodes, whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.exporter import client
from services.exporter.figures import Figures
from services.exporter.settings import Endpoint

_NODES = 10_000
_NEWEST = {"@timestamp": {"order": "desc", "numeric_type": "date"}}  # milliseconds, whatever the field keeps
_QUERY = {
    "size": 0,
    "query": {
        "bool": {"filter": [{"term": {"unit": "log-canary.service"}}, {"range": {"@timestamp": {"gte": "now-1d"}}}]}
    },
    "aggs": {
        "nodes": {
            "terms": {"field": "node", "size": _NODES},
            "aggs": {"last": {"top_hits": {"size": 1, "sort": [_NEWEST], "_source": False}}},
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
