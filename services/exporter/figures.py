"""Figures of one answer, in the text format of Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_STRANGE = re.compile(r"[^a-zA-Z0-9_:]+")


class Figures:
    """Families by name; the first sample of a name says which labels it has."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def gauge(self, name: str, text: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """A value that goes up and down."""
        family = self._families.setdefault(name, GaugeMetricFamily(name, text))
        family.add_sample(name, dict(labels or {}), value)

    def counter(self, name: str, text: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """A value that only grows; `name` ends in `_total`."""
        family = self._families.setdefault(name, CounterMetricFamily(name, text))
        family.add_sample(name, dict(labels or {}), value)

    def take(self, others: Figures) -> None:
        """Those of another source as well."""
        for name, family in others._families.items():
            mine = self._families.setdefault(name, family)
            if mine is not family:
                mine.samples += family.samples

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        return self._families.values()

    def text(self) -> bytes:
        """What is answered."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)


def flat(name: str) -> str:
    """A name of another system as one of Prometheus: `master/slaves_active` -> `master_slaves_active`."""
    return _STRANGE.sub("_", name).strip("_")
