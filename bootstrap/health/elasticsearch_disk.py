"""Elasticsearch's disks: how full they are, its watermarks, and whether lines are still taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.health.net import Login, UnansweredError, get

MARKS = ("low", "high", "flood_stage")
_SETTINGS = "/_cluster/settings?include_defaults=true&flat_settings=true"
_SYMPTOMS = "/_health_report/disk?verbose=true"
_SIZES = "/_nodes/stats/fs?filter_path=nodes.*.name,nodes.*.fs.total"


@dataclass(frozen=True, slots=True)
class Disks:
    """What the cluster says of its disks. `used`: node -> percent. `marks`: what is in force for MARKS.

    `status` is green, yellow or red; `symptom` says why. `closed`: indices that take no lines any more.
    """

    used: Mapping[str, int]
    marks: tuple[str, ...]
    status: str = "green"
    symptom: str = ""
    closed: int = 0

    @property
    def words(self) -> str:
        """The fullest disk beside the watermarks."""
        if not self.used:
            return ""
        node = max(self.used, key=lambda name: self.used[name])
        return f"fullest disk {self.used[node]}% ({node}), watermarks {', '.join(self.marks)}"


def ask(address: str, port: int, login: Login, ca: Path, *, seconds: float) -> Disks | None:
    """What one member knows of all disks; None when it gives no answer."""

    def question(path: str) -> Any:
        answer = get(address, port, path, login=login, ca=ca, seconds=seconds)
        if answer.status != 200:
            raise UnansweredError(f"answers {answer.status}")
        return answer.json()

    try:
        return judge(question(_SIZES), question(_SETTINGS), question(_SYMPTOMS))
    except UnansweredError:
        return None  # its own line says why


def judge(sizes: Any, settings: Any, report: Any) -> Disks:
    """The three answers as one."""
    known = {**settings.get("defaults", {}), **settings.get("persistent", {}), **settings.get("transient", {})}
    disk = report["indicators"]["disk"]
    return Disks(
        used={node["name"]: _percent(node["fs"]["total"]) for node in sizes.get("nodes", {}).values()},
        marks=tuple(str(known.get(f"cluster.routing.allocation.disk.watermark.{mark}", "?")) for mark in MARKS),
        status=str(disk["status"]),
        symptom=str(disk.get("symptom", "")),
        closed=int(disk.get("details", {}).get("indices_with_readonly_block", 0)),
    )


def _percent(total: Mapping[str, int]) -> int:
    """As the server counts: what is reserved for root is used."""
    size = total["total_in_bytes"]
    return round(100 * (size - total["available_in_bytes"]) / size) if size else 0
