"""Backups of what roles hold: one module per role that has something to keep.

A module has what `Keeper` says. All of it asks the service itself over the network, and raises BackupError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bootstrap.health import View

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. `parts`: what is in it; `size`: bytes of the whole, `added`: of what was new; `taken`: ISO time."""

    role: str
    name: str
    taken: str
    parts: tuple[str, ...]
    size: int
    added: int
    seconds: float
    whole: bool

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "role": self.role,
            "name": self.name,
            "taken": self.taken,
            "indices": list(self.parts),
            "bytes": self.size,
            "bytes_added": self.added,
            "seconds": round(self.seconds, 3),
            "complete": self.whole,
        }


@dataclass(frozen=True, slots=True)
class Proof:
    """That a backup can be read: `restored`, one part of it, had `lines` lines after `seconds`."""

    role: str
    name: str
    members: int
    parts: int
    restored: str
    lines: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "role": self.role,
            "name": self.name,
            "members": self.members,
            "indices": self.parts,
            "restored": self.restored,
            "lines": self.lines,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back. `lines`: index -> lines in it; `overwritten`: those among them that had been there.

    `left`: in the backup, and not touched because they are there; `doomed`: restored, and too old to be kept.
    """

    role: str
    name: str
    lines: Mapping[str, int]
    overwritten: tuple[str, ...]
    left: tuple[str, ...]
    doomed: tuple[str, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "role": self.role,
            "name": self.name,
            "restored": dict(self.lines),
            "overwritten": list(self.overwritten),
            "left": list(self.left),
            "too_old_to_be_kept": list(self.doomed),
            "seconds": round(self.seconds, 3),
        }


class Keeper(Protocol):
    """What a module of this folder has."""

    def take(self, view: View, tell: Tell) -> Backup:
        """Take one and wait for its end."""

    def listing(self, view: View) -> Sequence[Backup]:
        """All there are, the oldest first."""

    def prune(self, view: View, tell: Tell) -> Sequence[str]:
        """Delete old ones that we took ourselves, as the settings say; their names."""

    def prove(self, view: View, name: str, tell: Tell) -> Proof:
        """Look at the whole of one, and bring a part of it back beside what is there."""

    def restore(
        self, view: View, name: str, patterns: Sequence[str], tell: Tell, *, overwrite: bool = False
    ) -> Restored:
        """Bring back what is not there any more, or what `patterns` say."""


def keepers() -> dict[str, Keeper]:
    """Role -> what keeps its data."""
    from bootstrap.backups import elasticsearch

    return {elasticsearch.ROLE: elasticsearch}
