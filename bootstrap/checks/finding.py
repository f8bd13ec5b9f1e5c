"""What a rule reports: where, what was found there, what is wrong with it and how to put it right."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Keys = tuple[str | int, ...]  # the way to a value in a YAML file
_LOOKS_TYPED = re.compile(
    r"-?[0-9]+(\.[0-9]+)?|true|false|null|yes|no", re.IGNORECASE
)  # text that YAML would not read as text
_LONGEST = 70  # characters of a value that are shown


@dataclass(frozen=True, slots=True)
class Finding:
    """`severity` is "error" (refused) or "warning" (told). `line` 0 = not known."""

    file: str
    keys: Keys
    value: Any
    message: str
    fix: str
    severity: str = "error"
    line: int = 0

    @property
    def path(self) -> str:
        """The keys as a person writes them: nodes.control-2.zookeeper_id."""
        return ".".join(str(key) for key in self.keys)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "severity": self.severity,
            "file": self.file,
            "line": self.line or None,
            "path": self.path,
            "value": self.value,
            "message": self.message,
            "fix": self.fix,
        }

    def __str__(self) -> str:
        """One line: file, line, path, what is wrong, what was found, what to do."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        path = f" {self.path}:" if self.keys else ""
        found = "" if self.value is None else f" (found {shown(self.value)})"
        return f"{where}:{path} {self.message}{found}; {self.fix}"


def shown(value: object) -> str:
    """A value as it is quoted in a message: short, and on one line."""
    bare = isinstance(value, str) and value.strip() and not _LOOKS_TYPED.fullmatch(value)
    text = " ".join(str(value).split()) if bare else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known word that was probably meant, or ""."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(names), n=1, cutoff=cutoff)
    return names[close[0]] if close else ""


def unknown(file: str, keys: Keys, word: str, known: Iterable[str], *, kind: str, of: str = "") -> Finding:
    """The finding for a word that is in no list: says what was probably meant, else what there is.

    `kind` is what the word should be ("setting"), `of` whose ("driver docker").
    """
    names = list(known)
    meant = nearest(word, names)
    choices = f"known: {', '.join(names)}" if names else "there are none"
    fix = f"did you mean {meant}?" if meant else choices
    return Finding(file, keys, None, f"unknown {kind} {word}{f' of {of}' if of else ''}", fix)
