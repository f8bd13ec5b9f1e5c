"""Who tells figures and who asks for them: derived from the role table, once, for the exporters and for Prometheus.

Each node's exporter tells its own (`/metrics`) and hands on what other programs of the node tell (`/node`,
`/haproxy`, ...): one port, one login, one certificate per node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap.model import Cluster, Node

EXPORTER_ROLE = "monitoring"
SERVER_ROLE = "alerts"
_LOGS_ROLE = "logs"  # its canaries are looked for where there is one
_LOCAL_PORTS = {"node": 9100, "elasticsearch": 9114}  # of Debian's exporters, on loopback
SCRAPE_SECRET = "monitoring-scrape"  # noqa: S105 - its name


@dataclass(frozen=True, slots=True)
class _Told:
    """Something of a role that is told. `secret`: the login it asks for, which the role's nodes have."""

    role: str
    secret: str = ""
    user: str = "operator"


_MEMBER = _Told("elasticsearch", "elasticsearch-monitor", "monitor")
# What the exporter hands on: name of the path -> whose it is. A provider without that secret tells nothing.
_RELAYS: Mapping[str, _Told] = {
    "node": _Told(EXPORTER_ROLE),
    "elasticsearch": _MEMBER,
    "haproxy": _Told("ingress"),
    "router": _Told("ingress", "router-api"),
    "marathon": _Told("marathon", "marathon-operator"),
}
# What the exporter asks by itself, with the login in the file of that name.
_LOGINS: Mapping[str, tuple[_Told, ...]] = {
    "mesos": (_Told("mesos-master", "mesos-operator"), _Told("mesos-agent", "mesos-operator")),
    "elasticsearch": (_MEMBER,),
    "log-index": (_Told("elasticsearch", "elasticsearch-reader", "reader"),),
}
# Ports whose certificates are looked at.
_TLS_PORTS: Mapping[str, tuple[str, ...]] = {
    "admin": ("salt-api", "artifacts"),
    "ingress": ("https",),
    "elasticsearch": ("http",),
    "log-aggregator": ("forward",),
    EXPORTER_ROLE: ("exporter",),
    SERVER_ROLE: ("prometheus", "alertmanager"),
}


def of_node(cluster: Cluster, node: Node, secrets: Iterable[str]) -> dict[str, Any]:
    """What the exporter of `node` is told; empty where the node has none."""
    known = set(secrets)
    if EXPORTER_ROLE not in node.roles or SCRAPE_SECRET not in known:
        return {}  # it has none, or its provider tells others
    relays = [name for name, told in _RELAYS.items() if _tells(told, node, known)]
    logins = {"scrape": {"user": "prometheus", "secret": SCRAPE_SECRET}}
    for name in relays:
        if _RELAYS[name].secret:
            logins[name] = {"user": _RELAYS[name].user, "secret": _RELAYS[name].secret}
    for name, sources in _LOGINS.items():
        for told in sources:
            if _tells(told, node, known) and (name != "log-index" or cluster.with_role(_LOGS_ROLE)):
                logins[name] = {"user": told.user, "secret": told.secret}
    mesos = {name: f"mesos-{name}" for name in ("master", "agent") if f"mesos-{name}" in node.roles}
    return {
        "port": _port(cluster, EXPORTER_ROLE, "exporter"),
        "local_ports": dict(_LOCAL_PORTS),
        "relays": relays,
        "logins": logins,
        "mesos": {name: _port(cluster, role, "http") for name, role in mesos.items()},
        "zookeeper": f"{node.address}:{_port(cluster, 'zookeeper', 'client')}" if "zookeeper" in node.roles else "",
        "tls_ports": [
            f"{node.address}:{_port(cluster, role, name)}"
            for role, names in _TLS_PORTS.items()
            if role in node.roles
            for name in names
        ],
    }


def of_server(cluster: Cluster, node: Node, exporters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the server on `node` is told: job -> path and targets, and how many of each role there should be."""
    if SERVER_ROLE not in node.roles:
        return {}
    own = {each.name: told for each in cluster.with_role(EXPORTER_ROLE) if (told := exporters[each.name])}
    address = {each.name: str(each.address) for each in cluster.nodes}
    jobs = {"utopia": ("/metrics", list(own))}
    for name in _RELAYS:
        if nodes := [each for each, told in own.items() if name in told["relays"]]:
            jobs[name] = (f"/{name}", nodes)
    port = _port(cluster, EXPORTER_ROLE, "exporter")
    return {
        "address": str(node.address),
        "ports": {name: _port(cluster, SERVER_ROLE, name) for name in ("prometheus", "alertmanager")},
        "jobs": {
            job: {"path": path, "targets": [{"node": each, "address": f"{address[each]}:{port}"} for each in nodes]}
            for job, (path, nodes) in jobs.items()
        },
        "wanted": {role: len(having) for role in cluster.roles if (having := cluster.with_role(role))},
    }


def _tells(told: _Told, node: Node, secrets: set[str]) -> bool:
    return told.role in node.roles and (not told.secret or told.secret in secrets)


def _port(cluster: Cluster, role: str, name: str) -> int:
    return next(port.number for port in cluster.roles[role].ports if port.name == name)
