"""What HAProxy is wanted to do, and what it was told so far. Plain types, no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["http", "tcp"]
BALANCE = frozenset({"roundrobin", "static-rr", "leastconn", "first", "source", "random", "uri"})
NAME = re.compile(r"[A-Za-z0-9_.:-]{1,250}")
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252})")
PATH = re.compile(r"/[A-Za-z0-9_.~/%:@+,=&()*-]{0,500}")


@dataclass(frozen=True, slots=True)
class Server:
    """One task behind a backend; `address` is an IP address."""

    task: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a backend can only be changed by a reload."""

    mode: Mode = "http"
    balance: str = "leastconn"
    sticky: bool = False
    https_only: bool = False


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that is wanted: one port of one application."""

    name: str
    app: str
    shape: Shape
    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True)
class Listener:
    """A port of the edge for one backend."""

    port: int
    mode: Mode
    backend: str
    app: str
    address: str = "*"

    @property
    def name(self) -> str:
        return f"{self.mode}-{self.port}"


@dataclass(frozen=True, slots=True)
class Acl:
    """A rule of a user that is not a plain host: a line of HAProxy's own language, checked before."""

    name: str
    text: str
    backend: str
    app: str


@dataclass(frozen=True, slots=True)
class Maps:
    """Keys to backends (`apps`: backends to application ids). A path key is host + path; both are prefixes."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=dict)
    apps: Mapping[str, str] = field(default_factory=dict)

    def items(self) -> dict[str, Mapping[str, str]]:
        """By file name without its extension, in the order in which they are changed."""
        return {"apps": self.apps, "hosts": self.hosts, "paths": self.paths, "prefixes": self.prefixes}


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of it. Maps and listeners name wanted backends, not what HAProxy calls them."""

    backends: Mapping[str, Backend] = field(default_factory=dict)
    maps: Maps = field(default_factory=Maps)
    acls: tuple[Acl, ...] = ()
    listeners: tuple[Listener, ...] = ()


SlotState = Literal["free", "ready", "draining"]


@dataclass(slots=True)
class Slot:
    """A server line that was declared beforehand. A draining one keeps its server until it is empty."""

    name: str
    server: Server | None = None
    state: SlotState = "free"
    deadline: float = 0.0  # of draining; monotonic seconds


@dataclass(slots=True)
class Section:
    """A backend section of HAProxy. `wanted`: the backend that it serves; None for a spare one or a left one."""

    name: str
    shape: Shape
    slots: list[Slot]
    wanted: str | None = None
    app: str = ""
    spare: bool = False

    def slot(self, name: str) -> Slot:
        return next(slot for slot in self.slots if slot.name == name)

    @property
    def is_empty(self) -> bool:
        return all(slot.state == "free" for slot in self.slots)


@dataclass(slots=True)
class Layout:
    """What HAProxy has: its sections by name, what was loaded with them, and its maps as they are now."""

    sections: dict[str, Section] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)  # wanted backend -> name of its section
    maps: Maps = field(default_factory=Maps)
    acls: tuple[Acl, ...] = ()
    listeners: tuple[Listener, ...] = ()
    certificates: str = ""  # a fingerprint of the folder; empty: no TLS

    def section_of(self, wanted: str) -> Section | None:
        """The section that serves a wanted backend."""
        name = self.claims.get(wanted)
        return self.sections[name] if name else None
