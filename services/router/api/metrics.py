"""The router's own figures in Prometheus' text format. HAProxy's are at its own exporter."""

from __future__ import annotations

import time

from services.router.router import Router

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text(router: Router) -> str:
    """All of them."""
    status, watcher, store = router.controller.status, router.watcher, router.store
    age = time.time() - watcher.read_at if watcher.read_at is not None else float("nan")
    rows = (
        ("gauge", "view_age_seconds", "Since Marathon's applications were read", age),
        ("gauge", "applied", "1 when HAProxy runs what is wanted", int(status.applied and not status.pending)),
        ("gauge", "apps", "Applications of the view", len(watcher.apps)),
        ("gauge", "rules", "Rules", len(store.rules)),
        ("gauge", "problems", "Applications and rules with something wrong", len(router.problems())),
        ("gauge", "draining_servers", "Servers that finish their requests", router.controller.draining),
        ("gauge", "marathon_stream_up", "1 while Marathon's event stream is open", int(watcher.streaming)),
        ("gauge", "marathon_up", "1 when Marathon answered the last time", int(watcher.last_error is None)),
        ("gauge", "zookeeper_up", "1 while there is a session", int(store.connected)),
        ("gauge", "last_reload_seconds", "How long the last reload took", status.last_reload_seconds or 0),
        ("counter", "marathon_events_total", "Events received", watcher.events),
        ("counter", "marathon_reads_total", "Readings of applications", watcher.reads),
        ("counter", "reloads_total", "Reloads", status.reloads),
        ("counter", "failed_reloads_total", "Reloads that HAProxy refused", status.failed_reloads),
        ("counter", "runtime_changes_total", "Changes by HAProxy's command line", status.runtime_changes),
        ("counter", "repairs_total", "Times HAProxy had not what it was told", status.repairs),
        ("gauge", "start_time_seconds", "Start of the router, Unix time", router.started_at),
    )
    lines = []
    for kind, name, text, value in rows:
        lines += [f"# HELP utopia_router_{name} {text}", f"# TYPE utopia_router_{name} {kind}"]
        lines.append(f"utopia_router_{name} {value}")
    return "\n".join([*lines, ""])
