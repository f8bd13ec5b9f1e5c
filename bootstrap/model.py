"""The words of the project as types: environment, node, role, artifact (see docs/architecture.md).

Plain frozen values, made by `config.load()` and read by everyone. No I/O and no derivation here:
what can be derived (quorum, connect strings) is in `plan.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

BASE_ROLE = "base"  # every node has it without saying so
ADMIN_ROLE = "admin"  # the one node with the Salt master and the artifact server
CALLERS = ("nodes", "operator", "users")  # who connects to a port and is no role
LAB_DRIVERS = ("docker", "vagrant")  # their machines are made to be thrown away, and share the kernel of their host
VAGRANT_PROVIDERS = ("docker", "libvirt", "virtualbox")  # driver vagrant; the first where nobody chooses


def is_lab(driver: str | None, settings: Mapping[str, Any]) -> bool:
    """Whether machines of this driver share a kernel: those we make, and hosts of which the topology says so."""
    return driver in LAB_DRIVERS or (driver == "ssh" and settings.get("lab") is True)


@dataclass(frozen=True, slots=True)
class Port:
    """A port a role listens on. `protocol` is "tcp" or "udp"."""

    name: str
    number: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Page:
    """Something of a role to look at in a browser. `secret` is the file of the login's password, "" = no login."""

    name: str
    port: int
    scheme: str = "http"
    path: str = "/"
    user: str = ""
    secret: str = ""

    def url(self, address: str) -> str:
        """Where it answers on a node."""
        return f"{self.scheme}://{address}:{self.port}{self.path}"

    def login(self, secrets: Path) -> str:
        """Who to log in as, and the file (never the value) of the password."""
        return f"{self.user}, password in {secrets / self.secret}" if self.secret else "none"


@dataclass(frozen=True, slots=True)
class Addition:
    """What a provider adds on those nodes of its role that have `role`, too; a phase of its own. As in a Role."""

    role: str
    components: tuple[str, ...]
    restart: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Provider:
    """One of the implementations that can fill a role, and what it adds to the row.

    `lab`: the default where machines are made to be thrown away; otherwise the first of the row is.
    """

    name: str
    components: tuple[str, ...] = ()
    restart: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    additions: tuple[Addition, ...] = ()
    lab: bool = False


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a role wants of its node. Memory in MiB, disk in GiB per path; a path is absolute or a setting that has one.

    `data`: folders that must be empty or ours. `run`: folders from which programs are run. `swap`: whether it may swap.
    """

    memory: int = 0
    disk: Mapping[str, int] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    map_count: int = 0
    open_files: int = 0
    swap: bool = True


@dataclass(frozen=True, slots=True)
class Role:
    """A row of the role table (pillar/roles.yaml).

    `needs`: roles that must be up somewhere in the cluster first. `after`: roles whose phases come first where there
    are any of them. `beside`: roles that must be on the same node.
    `callers`: port -> who connects to it. `counts`: allowed numbers of nodes, () = any. `restart`:
    service -> how many of its nodes may restart at once ("1", "10%"). `secrets`: names a node of this role
    receives. `artifacts`: names of the files its nodes take from the artifact server. `names`: what the certificate
    of a node is valid for, () = it gets none. `additions`: what it adds beside other roles. In a cluster `provider` has
    been chosen, and what it adds is in the row.
    """

    name: str
    summary: str
    components: tuple[str, ...]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    ports: tuple[Port, ...] = ()
    callers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    probe: str | None = None
    restart: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    providers: tuple[Provider, ...] = ()
    artifacts: tuple[str, ...] = ()
    pages: tuple[Page, ...] = ()
    names: tuple[str, ...] = ()
    provider: str = ""
    requires: Requirements = field(default_factory=Requirements)
    additions: tuple[Addition, ...] = ()

    @property
    def before(self) -> tuple[str, ...]:
        """The roles that come first, as far as there are any."""
        return (*self.needs, *self.after, *self.beside)

    def default_provider(self, *, lab: bool) -> str:
        """Which one fills the role when the topology does not say; "" where the row names none."""
        first = self.providers[0].name if self.providers else ""
        return next((provider.name for provider in self.providers if lab and provider.lab), first)

    def filled_by(self, name: str) -> Role:
        """The row with what provider `name` adds to it."""
        chosen = next((provider for provider in self.providers if provider.name == name), Provider(name))
        return replace(
            self,
            provider=name,
            components=(*self.components, *chosen.components),
            restart={**self.restart, **chosen.restart},
            secrets=tuple(dict.fromkeys((*self.secrets, *chosen.secrets))),
            artifacts=tuple(dict.fromkeys((*self.artifacts, *chosen.artifacts))),
            additions=chosen.additions,
        )

    def beside_roles(self, names: Collection[str]) -> Role:
        """The row with what it adds on a node that has the roles `names`."""
        here = [addition for addition in self.additions if addition.role in names]
        return replace(
            self,
            components=(*self.components, *(name for addition in here for name in addition.components)),
            restart={**self.restart, **{name: share for addition in here for name, share in addition.restart.items()}},
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A machine. `zookeeper_id` is pinned by a person and never derived from list order."""

    name: str
    address: IPv4Address
    roles: tuple[str, ...]
    zookeeper_id: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster:
    """One validated environment. `settings`: component -> key -> value, only what differs.

    `versions`: artifact -> release, where it is not the catalogue's default. `waivers`: rule of preflight -> reason.
    """

    env: str
    path: Path
    driver: str
    driver_settings: Mapping[str, Any]
    domain: str
    network: IPv4Network
    nodes: tuple[Node, ...]
    roles: Mapping[str, Role]
    settings: Mapping[str, Mapping[str, Any]]
    production: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    waivers: Mapping[str, str] = field(default_factory=dict)

    @property
    def lab(self) -> bool:
        """Whether its machines are made to be thrown away, and share the kernel of their host."""
        return is_lab(self.driver, self.driver_settings)

    def with_role(self, role: str) -> tuple[Node, ...]:
        """The nodes that carry `role`, in the order of the topology; every node carries `base`."""
        if role == BASE_ROLE:
            return self.nodes
        return tuple(node for node in self.nodes if role in node.roles)


@dataclass(frozen=True, slots=True)
class Machine:
    """How a node is reached over SSH. `host_keys` are known_hosts key fields ("ssh-ed25519 AAAA...").

    `key`: the operator's private key file, else with `agent` whatever OpenSSH would offer, else the environment's
    own key. `sudo_password`: where sudo's password comes from, "" = it asks for none. `through`: the jump host.
    """

    node: str
    address: str
    port: int
    user: str
    host_keys: tuple[str, ...]
    key: str = ""
    agent: bool = False
    sudo_password: str = ""
    through: Machine | None = None

    @property
    def way(self) -> tuple[Machine, ...]:
        """The jump hosts that lead to it, the first one first."""
        return (*self.through.way, self.through) if self.through else ()
