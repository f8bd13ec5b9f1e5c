"""The scheduler's settings: one JSON file whose keys are Marathon's flags, in Marathon's units.

Secrets never stand in it: they are read from files of their own, named here.
"""

from __future__ import annotations

import difflib
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

ZK_URL = re.compile(r"zk://(?:(?P<login>[^@/]+)@)?(?P<hosts>[^/@]+)(?P<path>/[^?#]*)?")
MASTER = re.compile(r"(zk://[^/]+/.+|(https?://)?[^/:@]+:\d+(,(https?://)?[^/:@]+:\d+)*)")
FEATURES = frozenset({"task_killing", "gpu_resources", "maintenance_mode"})
GONE = {  # flags of Marathon, refused by name with what stands for them
    "executor": "tasks run under Mesos' own executors",
    "gpu_scheduling_behavior": "GPUs are not scheduled",
    "launch_tokens": "launches are not rationed",
    "launch_token_refresh_interval": "launches are not rationed",
    "offer_matching_timeout": "offers are matched at once",
    "suppress_offers": "offers are always suppressed when nothing waits",
    "reconciliation_initial_delay": "reconciliation begins with the subscription",
    "scale_apps_initial_delay": "the number of instances is looked at whenever one changes",
    "scale_apps_interval": "the number of instances is looked at whenever one changes",
    "task_lost_expunge_initial_delay": "see unreachableStrategy of the application",
    "task_lost_expunge_interval": "see unreachableStrategy of the application",
    "task_lost_expunge_gc": "see unreachableStrategy of the application",
    "mesos_heartbeat_interval": "the master says its own",
    "zk_timeout": "operations wait as long as the session lasts: zk_session_timeout",
    "disable_maintenance_mode": "agents in maintenance get no new tasks; draining_seconds says how long before",
    "new_group_enforce_role": "set enforceRole of each group",
    "accepted_resource_roles_default_behavior": "set acceptedResourceRoles of each application",
    "http_credentials": 'put "user:password" into a file and name it in http_credentials_file',
    "mesos_authentication_secret": "put it into a file and name it in mesos_authentication_secret_file",
    "https_port": "there is no TLS listener: put a proxy in front",
    "ssl_keystore_path": "there is no TLS listener: put a proxy in front",
    "plugin_dir": "there are no plugins",
    "plugin_conf": "there are no plugins",
    "event_subscriber": "callbacks are gone since Marathon 1.5: use /v2/events",
    "http_endpoints": "callbacks are gone since Marathon 1.5: use /v2/events",
    "backup_location": "there is no backup by the scheduler: back up the tree in ZooKeeper",
}


class SettingsError(Exception):
    """Everything that is wrong with the file, one line each."""

    def __init__(self, source: str, problems: list[str]) -> None:
        super().__init__(f"{source}: " + "; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ZkAddress:
    """`zk://user:password@h1:2181,h2:2181/path` taken apart. `path` is "" at the top."""

    hosts: str
    path: str
    login: tuple[str, str] | None = None

    @classmethod
    def parse(cls, url: str) -> ZkAddress:
        """Raises ValueError on what is no such URL."""
        match = ZK_URL.fullmatch(url)
        if not match:
            raise ValueError("expected zk://host:port[,host:port...]/path")
        user, _, password = (match["login"] or "").partition(":")
        login = (user, password) if match["login"] else None
        return cls(match["hosts"], (match["path"] or "").rstrip("/"), login)

    def __str__(self) -> str:
        """Without the login: fit for logs and for the API."""
        return f"zk://{self.hosts}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Names, defaults and units are those of Marathon 1.11's flags; ours alone are at the end."""

    master: str  # zk://…/mesos, or host:port of masters with commas between
    zk: str = "zk://localhost:2181/marathon"
    hostname: str = field(default_factory=socket.getfqdn)  # where the other schedulers and Mesos' pages reach us
    http_address: str = "0.0.0.0"  # noqa: S104 - Marathon's default, too: all addresses
    http_port: int = 8080
    http_realm: str = "Mesosphere"
    http_credentials_file: str | None = None  # lines of user:password
    http_compression: bool = True
    http_max_concurrent_requests: int | None = None
    access_control_allow_origin: tuple[str, ...] = ()
    webui_url: str | None = None
    leader_proxy_connection_timeout: int = 5_000  # ms
    leader_proxy_read_timeout: int = 10_000  # ms
    leader_proxy_max_open_connections: int = 64
    logging_level: str = "info"

    framework_name: str = "marathon"
    failover_timeout: int = 604_800  # s
    checkpoint: bool = True
    mesos_authentication_principal: str | None = None
    mesos_authentication_secret_file: str | None = None
    mesos_role: str = "*"
    mesos_user: str = "root"
    mesos_leader_ui_url: str | None = None
    mesos_bridge_name: str = "mesos-bridge"
    mesos_heartbeat_failure_threshold: int = 5
    default_network_name: str | None = None
    env_vars_prefix: str | None = None
    new_relic_license_file: str | None = None  # for applications that ask with the label NEW_RELIC
    new_relic_labels: str = ""  # name:value;name:value

    zk_session_timeout: int = 10_000  # ms
    zk_connection_timeout: int = 10_000  # ms, at the start
    zk_max_versions: int = 50
    zk_max_node_size: int = 512 * 1024  # bytes
    zk_credentials_file: str | None = None  # user:password; wins over a login in `zk`

    max_apps: int | None = None
    max_running_deployments: int = 100
    max_instances_per_offer: int = 5
    local_port_min: int = 10_000
    local_port_max: int = 20_000
    decline_offer_duration: int = 120_000  # ms
    min_revive_offers_interval: int = 5_000  # ms
    draining_seconds: int = 0
    task_launch_timeout: int = 300_000  # ms until a task runs
    task_launch_confirm_timeout: int = 300_000  # ms until Mesos says anything of it
    reconciliation_interval: int = 600_000  # ms
    enable_features: tuple[str, ...] = ()

    # Ours.
    kill_drain_seconds: float = 3.0  # between an instance's Killing, seen by routers, and the signal
    allow_privileged: bool = False  # Docker's privileged containers
    advertise_port: int | None = None  # where others reach http_port, if not there

    @property
    def zk_address(self) -> ZkAddress:
        """Where the state is; the login of `zk_credentials_file` comes in through `zk_login`."""
        return ZkAddress.parse(self.zk)

    @property
    def own_address(self) -> str:
        """host:port that the leader is known by."""
        return f"{self.hostname}:{self.advertise_port or self.http_port}"

    def zk_login(self) -> tuple[str, str] | None:
        """The login of the tree in ZooKeeper, if there is one. Raises SettingsError."""
        if self.zk_credentials_file is None:
            return self.zk_address.login
        return _logins(self.zk_credentials_file, "zk_credentials_file")[0]

    @property
    def new_relic_license(self) -> str:
        """What is in its file; "" without one. Raises SettingsError."""
        if self.new_relic_license_file is None:
            return ""
        try:
            return Path(self.new_relic_license_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError("new_relic_license_file", [str(error)]) from error

    def http_logins(self) -> Mapping[str, str]:
        """User -> password of those who may use the API; empty: everybody. Raises SettingsError."""
        if self.http_credentials_file is None:
            return {}
        return dict(_logins(self.http_credentials_file, "http_credentials_file"))


_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("http_port", "advertise_port", "local_port_min", "local_port_max"), (1, 65_535)),
    "zk_session_timeout": (1_000, 600_000),
    "zk_connection_timeout": (100, 600_000),
    "zk_max_versions": (1, 100_000),
    "zk_max_node_size": (65_536, 1_000_000),
    "max_running_deployments": (1, 100_000),
    "max_instances_per_offer": (1, 10_000),
    "kill_drain_seconds": (0, 3_600),
    "http_max_concurrent_requests": (1, 1_000_000),
    "leader_proxy_max_open_connections": (1, 100_000),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "logging_level": ("debug", "info", "warn", "error"),
}


def load(path: Path) -> Settings:
    """Read and check the file. Raises SettingsError with everything that is wrong."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise SettingsError(str(path), [error.strerror or str(error)]) from error
    except ValueError as error:
        raise SettingsError(str(path), [f"no JSON: {error}"]) from error
    return parse(document, source=str(path))


def parse(document: object, *, source: str = "settings") -> Settings:
    """The settings in a JSON document. Raises SettingsError with everything that is wrong."""
    if not isinstance(document, dict):
        raise SettingsError(source, ["expected an object"])
    types = get_type_hints(Settings)
    values: dict[str, Any] = {}
    problems = []
    for key, value in document.items():
        if key not in types:
            problems.append(_unknown(key, list(types)))
        elif (problem := _type_problem(types[key], value)) or (problem := _value_problem(key, value)):
            problems.append(f"{key}: {problem}")
        else:
            values[key] = tuple(value) if isinstance(value, list) else value
    required = {item.name for item in fields(Settings) if item.default is MISSING and item.default_factory is MISSING}
    problems += [f"{name}: is missing" for name in sorted(required - set(document))]
    if not problems:
        problems = _joint_problems(settings := Settings(**values))
        if not problems:
            return settings
    raise SettingsError(source, problems)


def _unknown(key: str, known: list[str]) -> str:
    if key in GONE:
        return f"{key}: {GONE[key]}"
    close = difflib.get_close_matches(key, known, 1)
    return f"{key}: no such setting" + (f", did you mean {close[0]}?" if close else "")


def _type_problem(wanted: Any, value: object) -> str | None:
    text = str(wanted)
    if "None" in text and value is None:
        return None
    if "tuple" in text:
        ok, name = isinstance(value, list) and all(isinstance(item, str) for item in value), "a list of texts"
    elif "bool" in text:
        ok, name = isinstance(value, bool), "true or false"
    elif "float" in text:
        ok, name = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    elif "int" in text:
        ok, name = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    else:
        ok, name = isinstance(value, str) and value != "", "a text"
    return None if ok else f"expected {name}, found {json.dumps(value)}"


def _value_problem(key: str, value: Any) -> str | None:
    problem = None
    low, high = _RANGES.get(key, (0, 1e15))
    if isinstance(value, int | float) and not low <= value <= high:
        problem = f"expected {low} to {high:g}, found {value}"
    elif key in _CHOICES and value not in _CHOICES[key]:
        problem = f"expected one of {', '.join(_CHOICES[key])}, found {value}"
    elif key == "enable_features" and (unknown := sorted(set(value) - FEATURES)):
        problem = f"no such feature: {', '.join(unknown)}; there are {', '.join(sorted(FEATURES))}"
    elif key == "zk" and not ZK_URL.fullmatch(value):
        problem = "expected zk://host:port[,host:port...]/path"
    elif key == "zk" and not ZkAddress.parse(value).path:
        problem = "a path is needed, e.g. zk://host:2181/marathon"
    elif key == "master" and not MASTER.fullmatch(value):
        problem = "expected zk://host:port/path or host:port[,host:port...]"
    return problem


def _joint_problems(settings: Settings) -> list[str]:
    problems = []
    if settings.local_port_min > settings.local_port_max:
        problems.append("local_port_min: greater than local_port_max")
    if settings.mesos_authentication_secret_file and not settings.mesos_authentication_principal:
        problems.append("mesos_authentication_principal: is missing, there is a secret file")
    return problems


def _logins(path: str, key: str) -> list[tuple[str, str]]:
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise SettingsError(path, [f"{key}: {error.strerror or error}"]) from error
    pairs = [line.partition(":") for line in lines if line]
    if not pairs or any(not user or not colon or not password for user, colon, password in pairs):
        raise SettingsError(path, [f"{key}: expected lines of user:password"])
    return [(user, password) for user, _, password in pairs]
