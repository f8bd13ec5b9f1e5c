"""The numbers of a cluster on one line: from Prometheus when it is up, else from the services themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from bootstrap.health import View, alerts
from bootstrap.health.net import UnansweredError, gather, get

_MESOS = {
    "agents": "master/slaves_active",
    "tasks": "master/tasks_running",
    "cpus_share": "master/cpus_percent",
    "memory_share": "master/mem_percent",
}
_MARATHON = {"applications": "marathon.apps.active.gauge", "deployments": "marathon.deployments.active.gauge"}
_QUERIES = {
    **{name: f"max(mesos_{metric.replace('/', '_')})" for name, metric in _MESOS.items()},
    **{name: f"max({metric.replace('.', '_')})" for name, metric in _MARATHON.items()},
    "requests_per_second": 'sum(rate(haproxy_frontend_http_requests_total{proxy!="stats"}[1m]))',
    "log_lines_per_second": "sum(rate(elasticsearch_indices_indexing_index_total[1m]))",
    "fullest_disk_share": '1 - min(node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|squashfs"}'
    ' / node_filesystem_size_bytes{fstype!~"tmpfs|ramfs|squashfs"})',
}


@dataclass(frozen=True, slots=True)
class Figures:
    """`source`: prometheus or services; "" where nobody knows any."""

    source: str = ""
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """For a person."""
        shown = [f"{name.replace('_', ' ')} {_short(name, value)}" for name, value in self.values.items()]
        return f"{', '.join(shown)} (from {self.source})" if shown else ""


def ask(view: View) -> Figures:
    """What there is within the time of one question."""
    if alerts.present(view):
        one = " or ".join(f'label_replace({query}, "figure", "{name}", "", "")' for name, query in _QUERIES.items())
        try:
            values = alerts.query(view, one, label="figure", seconds=view.seconds / 2)
        except UnansweredError:
            values = {}
        if "agents" in values or "applications" in values:
            return Figures("prometheus", {name: values[name] for name in _QUERIES if name in values})
    jobs: dict[str, Callable[[], Mapping[str, float]]] = {}
    for node in view.cluster.with_role("mesos-master"):
        jobs[f"mesos {node.name}"] = partial(_mesos, view, str(node.address))
    for node in view.cluster.with_role("marathon"):
        jobs[f"marathon {node.name}"] = partial(_marathon, view, str(node.address))
    found: dict[str, float] = {}
    for told in gather(jobs, view.seconds).values():
        for name, value in (told or {}).items():
            found[name] = max(value, found.get(name, 0.0))  # those that stand by know of nothing
    return Figures("services" if found else "", found)


def _mesos(view: View, address: str) -> Mapping[str, float]:
    try:
        port = view.port("mesos-master", "http")
        told = get(address, port, "/metrics/snapshot", login=view.operator, seconds=view.seconds / 2).json()
    except UnansweredError:
        return {}
    return {name: float(told[metric]) for name, metric in _MESOS.items() if metric in told}


def _marathon(view: View, address: str) -> Mapping[str, float]:
    login = view.logins.get("marathon-operator")
    try:
        told = get(address, view.port("marathon", "http"), "/metrics", login=login, seconds=view.seconds / 2).json()
    except UnansweredError:
        return {}
    gauges = told.get("gauges", {})
    return {name: float(gauges[metric]["value"]) for name, metric in _MARATHON.items() if metric in gauges}


def _short(name: str, value: float) -> str:
    return f"{value:.0%}" if name.endswith("_share") else f"{value:.3g}"
