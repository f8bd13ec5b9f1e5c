"""The production topology of pillar/env/prod with few agents, at addresses of a test network.

Every role that prod has is there, on as many nodes as must be for what is redundant to be so, and monitoring as well;
sizes are those of a lab, and so are the providers: the originals need archives of an operator.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Network
from typing import Any

import yaml

from bootstrap import config, paths

COUNTS = {"control": 3, "agent": 2, "edge": 2}  # as many as make redundant what is redundant in production
DROPPED = ("providers", "production", "driver")
SETTINGS: dict[str, Any] = {
    "haproxy": {"max_connections": 4000},  # what the limit of open files of a CI machine carries
    "zookeeper": {"heap": "192m"},
    "elasticsearch": {
        "heap": "512m",
        "java_options": ["-XX:TieredStopAtLevel=1"],
        "lab_pretend_open_files": True,  # a container may have no more open files than its host's engine
        "config": {"node.store.allow_mmap": False},  # vm.max_map_count belongs to the host
    },
}
ALSO = {"admin-1": ["alerts"]}  # by Prometheus; New Relic's needs a licence
RESOURCES = {"cpus": "2", "mem": "1024", "disk": "4096", "ports": "[31000-31999]"}


def topology(network: str) -> dict[str, Any]:
    """Without `driver`. Nodes are in the order of prod, at .10, .11, ... of `network`."""
    prod = yaml.safe_load((paths.PILLAR / "env" / "prod" / "cluster.yaml").read_text())
    small = {key: value for key, value in prod.items() if key not in DROPPED}
    addresses = iter(list(IPv4Network(network).hosts())[9:])
    made: Counter[str] = Counter()
    nodes: dict[str, Any] = {}
    for node in config.load("prod").nodes:
        kind = node.name.partition("-")[0]
        made[kind] += 1
        if made[kind] > COUNTS.get(kind, 1):
            continue
        roles = [role for role in node.roles if role not in prod["everywhere"]]
        entry: dict[str, Any] = {"address": str(next(addresses)), "roles": roles + ALSO.get(node.name, [])}
        entry |= {"zookeeper_id": node.zookeeper_id} if node.zookeeper_id else {}
        entry |= {"attributes": dict(node.attributes), "resources": RESOURCES} if "mesos-agent" in node.roles else {}
        nodes[node.name] = entry
    everywhere = [*prod["everywhere"], "monitoring"]
    own = {"domain": "bare.utopia", "network": network, "everywhere": everywhere}
    return {**small, **own, "nodes": nodes, "settings": dict(SETTINGS)}
