"""Takes a mapping of a YAML file apart, key by key: what is missing, unknown or of the wrong type becomes a finding.

A method gives the value, or None (an empty value for collections) when there is none to go on with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootstrap.checks.finding import Finding, Keys, unknown


class Fields:
    """One mapping at `keys` of `file`. Findings are added to `findings`."""

    def __init__(self, file: str, keys: Keys, raw: Any, findings: list[Finding], *, fix: str = "") -> None:
        self.file = file
        self.keys = keys
        self.findings = findings
        self.understood = isinstance(raw, Mapping)
        self.raw: Mapping[str, Any] = {}
        if self.understood:
            self.raw = {str(key): value for key, value in raw.items()}
        else:
            found = "nothing" if raw is None else raw
            fix = fix or "write keys and values below it"
            self.findings.append(Finding(file, keys, found, "must be a mapping", fix))

    def add(self, key: str, value: Any, message: str, fix: str) -> None:
        """A finding about one key; "" = about the mapping as a whole."""
        keys = (*self.keys, key) if key else self.keys
        self.findings.append(Finding(self.file, keys, value, message, fix))

    def only(self, *known: str) -> None:
        """Every other key is unknown."""
        for key in self.raw:
            if key not in known:
                self.findings.append(unknown(self.file, (*self.keys, key), key, known, kind="key"))

    def text(self, key: str, *, required: str = "") -> str | None:
        """Text. `required` is the fix that is offered where it is missing."""
        value = self.raw.get(key)
        if value is None:
            if required:
                self.add(key, None, "is missing", required)
            return None
        if isinstance(value, str):
            return value
        self.add(key, value, f"must be text, not {kind(value)}", f'put quotes around it: "{plain(value)}"')
        return None

    def flag(self, key: str) -> bool:
        """true or false; false where it is missing."""
        value = self.raw.get(key, False)
        if isinstance(value, bool):
            return value
        self.add(key, value, f"must be true or false, not {kind(value)}", "write true or false, without quotes")
        return False

    def whole(self, key: str) -> int | None:
        """A whole number."""
        value = self.raw.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self.add(key, value, f"must be a whole number, not {kind(value)}", "write a number without quotes")
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, each once."""
        value = self.raw.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.add(key, value, f"must be a list, not {kind(value)}", f"write [{plain(value)}]")
            return ()
        kept: list[str] = []
        for index, item in enumerate(value):
            keys = (*self.keys, key, index)
            if not isinstance(item, str):
                message = f"must be text, not {kind(item)}"
                self.findings.append(Finding(self.file, keys, item, message, "write a name"))
            elif item in kept:
                self.findings.append(Finding(self.file, keys, None, f"{item} is there twice", "remove one of the two"))
            else:
                kept.append(item)
        return tuple(kept)

    def section(self, key: str) -> Mapping[str, Any]:
        """A mapping inside this one; empty where it is missing."""
        value = self.raw.get(key)
        return {} if value is None else Fields(self.file, (*self.keys, key), value, self.findings).raw


def kind(value: Any) -> str:
    """What YAML made of a value, in words."""
    if value is None:
        return "nothing"
    names: dict[type, str] = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def plain(value: Any) -> str:
    """A scalar as it was probably written, for a fix that quotes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else "..."
