"""What the exporter is told: one JSON file. What a node does not have is left out of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


class SettingsError(Exception):
    """The file cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An HTTP service. `login_file` holds user:password, `ca` verifies TLS."""

    url: str
    login_file: str = ""
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Names are those of the JSON file."""

    bind: str
    certificate: str
    key: str
    login_file: str  # user:password of those who may ask
    relays: dict[str, Endpoint] = field(default_factory=dict)  # /NAME answers what it answers
    mesos: dict[str, Endpoint] = field(default_factory=dict)  # master, agent
    docker_socket: str = ""
    zookeeper: str = ""  # address:port
    elasticsearch: Endpoint | None = None
    snapshots: Endpoint | None = None  # the repository of the log index's snapshots
    log_index: Endpoint | None = None  # the search of the log indices
    log_shipper: str = ""  # program that prints the shipper's counters as JSON
    tls_ports: tuple[str, ...] = ()  # address:port, whose certificates are looked at
    tls_ca: str = ""
    markers: str = ""  # folder of services that wait for a restart
    units: bool = False  # whether systemd is asked for failed units
    statistics: tuple[str, ...] = ()  # files of other programs in the text format, *.prom

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `bind`."""
        host, _, port = self.bind.rpartition(":")
        return host, int(port)


def load(path: str | Path) -> Settings:
    """Read and check the file. Raises SettingsError."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error
    known = {item.name for item in fields(Settings)}
    if not isinstance(document, dict) or not set(document) <= known:
        strange = sorted(set(document) - known) if isinstance(document, dict) else ["no object"]
        raise SettingsError(f"{path}: unknown: {', '.join(strange)}")
    try:
        return Settings(**{name: _value(name, value) for name, value in document.items()})
    except TypeError as error:
        raise SettingsError(f"{path}: {error}") from error


def secret(path: str) -> str:
    """The content of a file without its line end. Raises SettingsError."""
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error


def _value(name: str, value: Any) -> Any:
    if name in ("relays", "mesos"):
        return {key: Endpoint(**item) for key, item in value.items()}
    if name in ("elasticsearch", "snapshots", "log_index") and value:
        return Endpoint(**value)
    return tuple(value) if isinstance(value, list) else value
