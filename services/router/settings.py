"""What the router is told: one JSON file, every key known, every value checked."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

TEMPLATE = Path(__file__).parent / "haproxy" / "files" / "haproxy.cfg.j2"


class SettingsError(Exception):
    """Everything that is wrong with the file, a line each."""


@dataclass(frozen=True)
class Settings:
    """Names are those of the JSON file. Times in seconds unless the name says otherwise; `None`: not used."""

    marathon_endpoints: tuple[str, ...]
    marathon_user: str | None = None
    marathon_password_file: str | None = None
    marathon_ca_file: str | None = None
    zookeeper_hosts: tuple[str, ...] = ()  # none: rules are neither read nor written
    zookeeper_path: str = "/marathon-haproxy/state"
    zookeeper_credentials_file: str | None = None
    bind: str = "0.0.0.0:8000"
    api_credentials_file: str | None = None  # user:password a line
    http_port: int = 80
    https_port: int = 443
    certificates_dir: str | None = None
    haproxy_binary: str = "/usr/sbin/haproxy"
    haproxy_config: str = "/etc/haproxy/haproxy.cfg"
    haproxy_user: str | None = "haproxy"
    haproxy_chroot: str | None = "/var/lib/haproxy"
    maps_dir: str = "/etc/haproxy/maps"
    runtime_socket: str = "/run/haproxy/admin.sock"
    master_socket: str = "/run/haproxy/master.sock"
    state_file: str = "/var/lib/utopia-router/state.json"
    stats_port: int = 8404  # loopback only
    stats_credentials_file: str | None = None
    syslog_address: str | None = None
    template: str = str(TEMPLATE)
    resync_seconds: float = 60
    hard_stop_after: int = 600
    drain_seconds: float = 60
    coalesce_milliseconds: int = 75
    reload_seconds: float = 2  # at most one reload in so many
    default_routes: bool = True
    groups: tuple[str, ...] = ("*",)
    tcp_ports: tuple[int, ...] = (1024, 65535)
    spare_backends: int = 16
    spare_slots: int = 8
    maxconn: int = 20000
    check_milliseconds: int = 1000

    @property
    def api_address(self) -> tuple[str, int]:
        """Host and port of `bind`; an empty host is every address."""
        host, _, port = self.bind.rpartition(":")
        return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - Bamboo's own default

    @property
    def reserved_ports(self) -> frozenset[int]:
        """Ports that no application can have as a TCP service."""
        return frozenset({self.http_port, self.https_port, self.stats_port, self.api_address[1]})


def load(path: str | Path) -> Settings:
    """Read and check the file. Raises SettingsError."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not JSON: {error}") from error
    return parse(document, str(path))


def parse(document: Any, name: str = "settings") -> Settings:
    """Settings of a decoded document. Raises SettingsError with every error."""
    if not isinstance(document, dict):
        raise SettingsError(f"{name}: not an object")
    hints = get_type_hints(Settings)
    errors = [f"{name}: unknown key {key!r}" for key in document if key not in hints]
    values: dict[str, Any] = {}
    for item in fields(Settings):
        if item.name in document:
            try:
                values[item.name] = _value(document[item.name], hints[item.name])
            except ValueError as error:
                errors.append(f"{name}: {item.name}: {error}, found {document[item.name]!r}")
        elif item.default is MISSING:
            errors.append(f"{name}: {item.name} is missing")
    if not errors:
        errors = [f"{name}: {error}" for error in _rules(Settings(**values))]
    if errors:
        raise SettingsError("\n".join(errors))
    return Settings(**values)


def secret(path: str | None) -> str | None:
    """The content of a file without its line end; None without a file. Raises SettingsError."""
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error


def _value(found: Any, hint: Any) -> Any:
    text = str(hint)
    if found is None and "None" in text:
        return None
    if "tuple" in text:
        items = found.split(",") if isinstance(found, str) else found
        kind: type = int if "int" in text else str
        if not isinstance(items, list) or not all(type(item) is kind for item in items):
            raise ValueError(f"must be a list of {'numbers' if kind is int else 'texts'}")
        return tuple(item.strip() if isinstance(item, str) else item for item in items)
    if hint is bool:
        if not isinstance(found, bool):
            raise ValueError("must be true or false")
    elif hint in (int, float):
        if isinstance(found, bool) or not isinstance(found, int | float) or (hint is int and found != int(found)):
            raise ValueError("must be a number")
        if found < 0:
            raise ValueError("must not be negative")
    elif not isinstance(found, str):
        raise ValueError("must be a text")
    return found


def _rules(settings: Settings) -> list[str]:
    errors = []
    if not settings.marathon_endpoints or not all(
        endpoint.startswith(("http://", "https://")) for endpoint in settings.marathon_endpoints
    ):
        errors.append("marathon_endpoints: at least one, each http://HOST:PORT or https://HOST:PORT")
    if (settings.marathon_user is None) != (settings.marathon_password_file is None):
        errors.append("marathon_user and marathon_password_file: both or none")
    if not settings.zookeeper_path.startswith("/"):
        errors.append("zookeeper_path: must start with /")
    try:
        _, port = settings.api_address
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        errors.append(f"bind: must be HOST:PORT, found {settings.bind!r}")
    ports = [settings.http_port, settings.stats_port, *([settings.https_port] if settings.certificates_dir else [])]
    errors += [f"port {port}: must be 1 to 65535" for port in ports if not 0 < port < 65536]
    if len(set(ports)) != len(ports):
        errors.append("http_port, https_port and stats_port: must differ")
    if len(settings.tcp_ports) != 2 or not 0 < settings.tcp_ports[0] <= settings.tcp_ports[1] < 65536:
        errors.append("tcp_ports: must be the lowest and the highest port, [1024, 65535]")
    if settings.spare_slots < 1:
        errors.append("spare_slots: at least 1")
    return errors
