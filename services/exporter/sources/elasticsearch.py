"""A member's view of its Elasticsearch cluster, and its own heap, disk and refusals.

Debian has an exporter for this, which takes its password in an argument or its environment alone; ours reads a file.
"""

from __future__ import annotations

import asyncio
from typing import Any

from services.exporter import client
from services.exporter.figures import Figures
from services.exporter.settings import Endpoint

_COLOURS = ("green", "yellow", "red")
_HEALTH = (
    "number_of_nodes",
    "active_primary_shards",
    "active_shards",
    "initializing_shards",
    "relocating_shards",
    "unassigned_shards",
    "number_of_pending_tasks",
)


async def collect(figures: Figures, endpoint: Endpoint) -> None:
    """Health of the cluster, numbers of this member."""
    health, disk, stats = await asyncio.gather(
        client.get_json(endpoint, "/_cluster/health?timeout=2s"),
        client.get_json(endpoint, "/_health_report/disk"),
        client.get_json(endpoint, "/_nodes/_local/stats/jvm,fs,indices,thread_pool"),
    )
    parse(figures, health, disk, next(iter(stats["nodes"].values())))


def parse(figures: Figures, health: dict[str, Any], report: dict[str, Any], member: dict[str, Any]) -> None:
    """From the three documents."""
    for colour in _COLOURS:
        value = float(health["status"] == colour)
        figures.gauge("elasticsearch_cluster_status", "1 for what it is now", value, {"colour": colour})
    for name in _HEALTH:
        figures.gauge(f"elasticsearch_{name}", f"Cluster health: {name}", health[name])
    closed = report["indicators"]["disk"].get("details", {}).get("indices_with_readonly_block", 0)
    figures.gauge("elasticsearch_indices_readonly", "Indices that a full disk closed to writers", closed)
    heap, disk, indices = member["jvm"]["mem"], member["fs"]["total"], member["indices"]
    figures.gauge("elasticsearch_heap_used_bytes", "Heap in use", heap["heap_used_in_bytes"])
    figures.gauge("elasticsearch_heap_max_bytes", "Largest heap", heap["heap_max_in_bytes"])
    for name, collector in member["jvm"]["gc"]["collectors"].items():
        spent = collector["collection_time_in_millis"] / 1000
        figures.counter("elasticsearch_gc_seconds_total", "Time spent collecting garbage", spent, {"collector": name})
    figures.gauge("elasticsearch_disk_size_bytes", "Size of its file systems", disk["total_in_bytes"])
    figures.gauge("elasticsearch_disk_available_bytes", "Room on its file systems", disk["available_in_bytes"])
    figures.gauge("elasticsearch_documents", "Documents it holds", indices["docs"]["count"])
    indexed = indices["indexing"]
    figures.counter("elasticsearch_indexed_total", "Documents written", indexed["index_total"])
    refused = member["thread_pool"].get("write", {}).get("rejected", 0)
    figures.counter("elasticsearch_rejected_writes_total", "Writes it had no room for", refused)
    blocked = float(indexed.get("is_throttled", False))
    figures.gauge("elasticsearch_indexing_throttled", "1 while merging cannot keep up", blocked)
