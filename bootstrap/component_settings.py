"""What is in force for a component on the controlling side: its defaults, and what the environment says instead."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from bootstrap import paths
from bootstrap.model import Cluster


def of(cluster: Cluster, component: str) -> dict[str, Any]:
    """The settings of a component, mappings merged key by key as Salt does it on the nodes."""
    return _merged(defaults(component), cluster.settings.get(component, {}))


@cache
def defaults(component: str) -> Mapping[str, Any]:
    """salt/<component>/defaults.yaml; {} where there is none."""
    path = paths.SALT / component / "defaults.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
