"""A topology as far as it could be understood: what the rules look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from bootstrap.checks.finding import Finding, Keys
from bootstrap.model import Role, is_lab


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of `nodes`: one node, or a range of equal ones.

    `addresses` is () where they could not be read; `names` then still holds what the key stands for.
    `mistyped_id`: there is an id, but it is no number.
    """

    key: str
    names: tuple[str, ...]
    pattern: str
    addresses: tuple[IPv4Address, ...]
    roles: tuple[str, ...]
    zookeeper_id: int | None
    attributes: Mapping[str, Any]
    resources: Mapping[str, Any]
    mistyped_id: bool = False

    @property
    def keys(self) -> Keys:
        """Where it stands in the file."""
        return ("nodes", self.key)


@dataclass
class Draft:
    """What the rules see. `complete`: every entry was understood, so that counting makes sense.

    `everywhere`: roles that every node has; they are among the roles of each entry as well.
    `defaults(component)` gives the settings of salt/<component>/defaults.yaml, None where there are none.
    `releases()` gives the versions of every artifact of the catalogue, the default first.
    `remembered`: node -> ZooKeeper id at the last run. `members`: its ensemble at the last run that
    brought it up, () where there was none. `removed`: old "component.key" -> what to do now.
    """

    env: str
    file: str
    roles: Mapping[str, Role]
    driver: str | None
    driver_settings: Mapping[str, Any]
    domain: str | None
    network: IPv4Network | None
    production: bool
    entries: tuple[Entry, ...]
    settings: Mapping[str, Any]
    providers: Mapping[str, Any] = field(default_factory=dict)
    everywhere: tuple[str, ...] = ()
    versions: Mapping[str, Any] = field(default_factory=dict)
    waivers: Mapping[str, Any] = field(default_factory=dict)
    complete: bool = True
    defaults: Callable[[str], Mapping[str, Any] | None] = lambda _component: None
    releases: Callable[[], Mapping[str, tuple[str, ...]]] = dict
    remembered: Mapping[str, int] = field(default_factory=dict)
    remembered_in: str = ""
    members: tuple[str, ...] = ()
    members_in: str = ""
    removed: Mapping[str, str] = field(default_factory=dict)

    def provider(self, role: Role) -> str:
        """Which implementation fills `role`: the one the topology names, else the default; "" where there is none."""
        asked = self.providers.get(role.name)
        known = [provider.name for provider in role.providers]
        return asked if asked in known else role.default_provider(lab=is_lab(self.driver, self.driver_settings))

    def gives(self, entry: Entry, role: str) -> tuple[Keys, list[str]]:
        """Where the file gives `role` to the nodes of an entry, and the list that stands there."""
        if role in self.everywhere:
            return ("everywhere",), list(self.everywhere)
        return (*entry.keys, "roles"), [name for name in entry.roles if name not in self.everywhere]

    def finding(self, keys: Keys, value: Any, message: str, fix: str, *, severity: str = "error") -> Finding:
        """A finding in this topology's file."""
        return Finding(self.file, keys, value, message, fix, severity)

    def with_role(self, role: str) -> Iterator[tuple[Entry, str]]:
        """Entry and name of every node that carries `role`."""
        for entry in self.entries:
            if role in entry.roles:
                for name in entry.names:
                    yield entry, name
