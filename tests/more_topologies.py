"""Topologies that no environment under pillar/env has, each made from production's, for tests that render states."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bootstrap import paths


def by_newrelic(folder: Path) -> str:
    """Production with the monitoring that is its default, which needs an account: environment `newrelic`."""
    return _write(folder, "newrelic", _production() | {"everywhere": ["logs", "monitoring"]})


def with_aggregators(folder: Path, settings: Mapping[str, Any] | None = None) -> str:
    """A small production whose shippers send to two aggregators: environment `aggregators`."""
    document = _production()
    nodes = {name: document["nodes"][name] for name in ("admin-1", "control-1", "control-2", "control-3")}
    nodes["agent-01"] = document["nodes"]["agent-[01:12]"] | {"address": "10.20.1.1"}
    for name in ("control-1", "control-2"):
        nodes[name]["roles"].append("log-aggregator")
    return _write(folder, "aggregators", document | {"nodes": nodes, "settings": settings or {}})


def _production() -> dict[str, Any]:
    return dict(yaml.safe_load((paths.PILLAR / "env/prod/cluster.yaml").read_text()))


def _write(folder: Path, name: str, document: Mapping[str, Any]) -> str:
    path = folder / name / "cluster.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(dict(document)))
    return str(path)
