"""What probe.py found on a node, as values that rules judge. The defaults are those of a sound machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GIB, MIB = 1 << 30, 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """A path and the file system it is on. `entries`: what is in the folder; sizes in bytes."""

    exists: bool = False
    mount: str = "/"
    device: str = "8:1"
    type: str = "ext4"
    options: tuple[str, ...] = ("rw", "relatime")
    free: int = 1 << 42
    total: int = 1 << 43
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that waits for others, and the process that has it ("" = not known)."""

    port: int
    protocol: str = "tcp"
    process: str = ""
    pid: int = 0
    loopback: bool = False

    @property
    def holder(self) -> str:
        """As a message names it."""
        return f"{self.process} (process {self.pid})" if self.process else "a process of the kernel or of another user"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node. `clock`: earliest and latest possible offset to the controlling side, in seconds."""

    distribution: str = "debian"
    version: str = "12"
    system_name: str = "Debian GNU/Linux 12 (bookworm)"
    machine: str = "x86_64"
    init: str = "systemd"
    python: str = "3.11.2"
    machine_id: str = ""
    boot_id: str = ""
    cgroup_v1: frozenset[str] = frozenset()
    cgroup_v2: bool = False
    memory: int = 1 << 42
    swap: int = 0
    open_files: int = -1  # -1: no bound
    map_count: int = 262144
    places: Mapping[str, Place] = field(default_factory=dict)
    listening: tuple[Listener, ...] = ()
    noteworthy: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    hostname: str = ""
    forward: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reverse: tuple[str, ...] = ()
    modules: Mapping[str, bool] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    docker: str = ""
    trusted_master: str = ""
    bound: frozenset[int] = frozenset()
    reached: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    clock: tuple[float, float] = (0.0, 0.0)


def read(document: Mapping[str, Any], clock: tuple[float, float]) -> NodeFacts:
    """From the probe's JSON. A part that failed there keeps the default, and is told by a rule."""
    found: dict[str, Any] = {"failed": document.get("failed", {}), "clock": clock}
    for part, fields in _PARTS.items():
        values = document.get(part)
        if values is not None:
            found |= {name: make(values) for name, make in fields.items()}
    return NodeFacts(**found)


def _places(values: Mapping[str, Any]) -> dict[str, Place]:
    return {
        path: Place(
            exists=row["exists"],
            mount=row["mount"],
            device=row["device"],
            type=row["type"],
            options=tuple(row["options"]),
            free=row["free"],
            total=row["total"],
            entries=tuple(row["entries"]),
        )
        for path, row in values.items()
    }


def _listeners(rows: Any) -> tuple[Listener, ...]:
    return tuple(
        Listener(row["port"], row["protocol"], row["process"], row["pid"], bool(row["loopback"])) for row in rows
    )


def _item(key: str) -> Any:
    return lambda values: values[key]


_PARTS: Mapping[str, Mapping[str, Any]] = {
    "system": {
        "distribution": _item("id"),
        "version": _item("version"),
        "system_name": _item("name"),
        "machine": _item("machine"),
        "init": _item("init"),
        "python": _item("python"),
        "machine_id": _item("machine_id"),
        "boot_id": _item("boot_id"),
    },
    "cgroups": {"cgroup_v1": lambda values: frozenset(values["v1"]), "cgroup_v2": _item("v2")},
    "memory": {"memory": _item("total"), "swap": _item("swap")},
    "limits": {"open_files": _item("open_files"), "map_count": _item("map_count")},
    "paths": {"places": _places},
    "listening": {"listening": _listeners},
    "noteworthy": {"noteworthy": frozenset},
    "addresses": {"addresses": frozenset},
    "names": {
        "hostname": _item("hostname"),
        "forward": lambda values: {name: tuple(found) for name, found in values["forward"].items()},
        "reverse": lambda values: tuple(values["reverse"]),
    },
    "modules": {"modules": dict},
    "packages": {"packages": dict},
    "docker": {"docker": str},
    "trusted_master": {"trusted_master": str},
    "own": {"bound": lambda values: frozenset(values["bound"])},
    "reached": {"reached": dict},
}
