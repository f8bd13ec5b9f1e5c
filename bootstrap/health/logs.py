"""Logs: how old the newest line of each node is, what its shipper says of itself, and what the last canary took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap import canary, log_index
from bootstrap.health import Health, View
from bootstrap.health.net import UnansweredError

ROLE = log_index.ROLE
OLD_SECONDS = 180.0  # every node writes a line each minute, whatever else it does
_MOST_NODES = 10000
_QUERY = {
    "size": 0,
    "query": {"range": {"@timestamp": {"gte": "now-7d"}}},
    "aggs": {
        "nodes": {
            "terms": {"field": "node", "size": _MOST_NODES},
            "aggs": {
                "newest": {"max": {"field": "@timestamp"}},
                "reports": {
                    "filter": {"term": {"unit": "log-canary.service"}},
                    "aggs": {
                        "last": {
                            "top_hits": {
                                "size": 1,
                                "sort": [{"@timestamp": "desc"}],
                                "_source": ["json.waiting", "json.lost", "json.refused"],
                            }
                        }
                    },
                },
            },
        }
    },
}


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one node: age of its newest line, and the shipper's last counters."""

    age: float
    waiting: int = 0
    lost: int = 0
    refused: int = 0


def ask(index: log_index.LogIndex, *, seconds: float) -> dict[str, Seen]:
    """What the index has of each node. Raises UnansweredError."""
    answer = index.search(_QUERY, seconds=seconds)
    buckets = answer.get("aggregations", {}).get("nodes", {}).get("buckets", [])
    return {str(bucket["key"]): _seen(bucket) for bucket in buckets}


def _seen(bucket: Mapping[str, Any]) -> Seen:
    age = max(0.0, time.time() - float(bucket["newest"]["value"]) / 1000)
    hits = bucket["reports"]["last"]["hits"]["hits"]
    told = hits[0]["_source"].get("json", {}) if hits else {}
    return Seen(age, *(int(told.get(name, 0)) for name in ("waiting", "lost", "refused")))


def check(view: View) -> list[Health]:
    """Every node, and the canary."""
    login = view.logins.get(log_index.SECRET)
    index = log_index.of(view.cluster, login) if login else None
    if index is None or not index.ca.exists():
        return [Health(ROLE, "", "failed", "no operator's login yet: this environment is not made", view.converge)]
    try:
        seen = ask(index, seconds=view.seconds)
    except UnansweredError as error:
        return [Health(ROLE, "", "failed", f"the index cannot be asked: {error}", view.converge)]
    return [*(_judge(view, node.name, seen.get(node.name)) for node in view.cluster.with_role(ROLE)), _canary(view)]


def _judge(view: View, node: str, seen: Seen | None) -> Health:
    journal = view.journal(node, view.unit(ROLE))
    if seen is None:
        return Health(ROLE, node, "failed", "no line of it was ever found", journal)
    text = f"newest line {seen.age:.0f} s old"
    if seen.waiting:
        text += f", {seen.waiting} wait to be shipped"
    if seen.lost or seen.refused:
        text += f"; {seen.lost} lines were lost and {seen.refused} refused"
    if seen.age > OLD_SECONDS or seen.lost or seen.refused:
        return Health(ROLE, node, "degraded", text, journal)
    return Health(ROLE, node, "ok", text)


def _canary(view: View) -> Health:
    last = canary.kept(view.cluster.env)
    if last is None:
        return Health(ROLE, "", "ok", "no canary was sent yet: bootstrap verify sends one")
    at, seconds = last
    minutes = (time.time() - at) / 60
    return Health(ROLE, "", "ok", f"the last canary, {minutes:.0f} min ago, was found after {seconds:.1f} s")
