"""The production topology of pillar/env/prod with few agents, at addresses of a test network.

Every role that prod has is there, on as many nodes as must be for what is redundant to be so; sizes are those of a
lab, and so are the providers: the originals need archives of an operator.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import yaml

from bootstrap import config, paths

AGENTS = 2
DROPPED = ("providers", "production", "driver")
SETTINGS: dict[str, Any] = {
    "haproxy": {"max_connections": 4000},  # what the limit of open files of a CI machine carries
    "zookeeper": {"heap": "192m"},
    "elasticsearch": {
        "heap": "512m",
        "lab_pretend_open_files": True,  # a container may have no more open files than its host's engine
        "config": {"node.store.allow_mmap": False},  # vm.max_map_count belongs to the host
    },
}
RESOURCES = {"cpus": "2", "mem": "1024", "disk": "4096", "ports": "[31000-31999]"}


def topology(network: str) -> dict[str, Any]:
    """Without `driver`. Nodes are in the order of prod, at .10, .11, ... of `network`."""
    prod = yaml.safe_load((paths.PILLAR / "env" / "prod" / "cluster.yaml").read_text())
    small = {key: value for key, value in prod.items() if key not in DROPPED}
    addresses = iter(list(IPv4Network(network).hosts())[9:])
    nodes: dict[str, Any] = {}
    agents = 0
    for node in config.load("prod").nodes:
        agents += "mesos-agent" in node.roles
        if "mesos-agent" in node.roles and agents > AGENTS:
            continue
        entry: dict[str, Any] = {"address": str(next(addresses)), "roles": list(node.roles)}
        entry |= {"zookeeper_id": node.zookeeper_id} if node.zookeeper_id else {}
        entry |= {"attributes": dict(node.attributes), "resources": RESOURCES} if "mesos-agent" in node.roles else {}
        nodes[node.name] = entry
    return {**small, "domain": "bare.utopia", "network": network, "nodes": nodes, "settings": SETTINGS}
