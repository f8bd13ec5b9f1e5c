"""Checks of types, ranges and patterns: a shape takes a JSON value and gives it back clean.

A shape is called with the value, its path and the collector of problems. Objects keep the keys they know, drop
others and those that are null; wrong values are reported with the error words of Marathon's JSON library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from services.scheduler.definitions.errors import Problems

Shape = Callable[[Any, str, Problems], Any]

_INT32 = 2**31 - 1
_INT64 = 2**63 - 1


def string(*, least: int = 0, most: int | None = None, pattern: str | None = None, says: str = "") -> Shape:
    """A text of `least` to `most` characters that matches the whole `pattern`, which `says` in words what it asks."""
    matches = re.compile(pattern).fullmatch if pattern else None

    def check(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, str):
            problems.add(path, "error.expected.jsstring")
        elif len(value) < least:
            problems.add(path, f"error.minLength: at least {least}")
        elif most is not None and len(value) > most:
            problems.add(path, f"error.maxLength: at most {most}")
        elif matches and not matches(value):
            problems.add(path, f"error.pattern: {says}")
        return value

    return check


def enum(*words: str) -> Shape:
    """One of the words."""
    known = frozenset(words)

    def check(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, str):
            problems.add(path, "error.expected.jsstring")
        elif value not in known:
            problems.add(path, f"error.unknown.enum.literal: one of {', '.join(words)}")
        return value

    return check


def boolean(value: Any, path: str, problems: Problems) -> Any:
    """`true` or `false`."""
    if not isinstance(value, bool):
        problems.add(path, "error.expected.jsboolean")
    return value


def number(*, least: float | None = None, most: float | None = None) -> Shape:
    """A finite number."""

    def check(value: Any, path: str, problems: Problems) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            problems.add(path, "error.expected.jsnumber")
        else:
            _in_range(value, least, most, path, problems)
        return value

    return check


def integer(*, least: int | None = None, most: int | None = None, bits: int = 32) -> Shape:
    """A whole number (`2.0` is one); comes back as int."""
    bound = _INT32 if bits == 32 else _INT64

    def check(value: Any, path: str, problems: Problems) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            problems.add(path, "error.expected.jsnumber")
        elif value != int(value) or abs(value) > bound:
            problems.add(path, "error.expected.int" if bits == 32 else "error.expected.long")
        else:
            _in_range(value, least, most, path, problems)
            return int(value)
        return value

    return check


def array(items: Shape, *, least: int = 0, most: int | None = None, unique: bool = False) -> Shape:
    """A list; `unique` drops repeated items, as the API treats them as sets."""

    def check(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, list):
            problems.add(path, "error.expected.jsarray")
            return value
        if len(value) < least:
            problems.add(path, f"error.minLength: at least {least}")
        if most is not None and len(value) > most:
            problems.add(path, f"error.maxLength: at most {most}")
        clean = [items(item, f"{path}({index})", problems) for index, item in enumerate(value)]
        return _without_repeats(clean) if unique else clean

    return check


def mapping(values: Shape) -> Shape:
    """An object with any keys."""

    def check(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, dict):
            problems.add(path, "error.expected.jsobject")
            return value
        return {key: values(item, f"{path}/{key}", problems) for key, item in value.items()}

    return check


def record(fields: Mapping[str, Shape], *, required: frozenset[str] = frozenset()) -> Shape:
    """An object with these keys; a null is as good as none."""

    def check(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, dict):
            problems.add(path, "error.expected.jsobject")
            return value
        clean = {}
        for key, item in value.items():
            shape = fields.get(key)
            if shape is not None and item is not None:
                clean[key] = shape(item, f"{path}/{key}", problems)
        for key in sorted(required - clean.keys()):
            problems.add(f"{path}/{key}", "error.path.missing")
        return clean

    return check


def word_or(word: str, other: Shape) -> Shape:
    """The word, or what is not a text."""
    text = enum(word)

    def check(value: Any, path: str, problems: Problems) -> Any:
        return (text if isinstance(value, str) else other)(value, path, problems)

    return check


def text_or_record(other: Shape) -> Shape:
    """A text, or an object."""
    text = string()

    def check(value: Any, path: str, problems: Problems) -> Any:
        return (other if isinstance(value, dict) else text)(value, path, problems)

    return check


def anything(value: Any, path: str, problems: Problems) -> Any:  # noqa: ARG001 - one signature for all shapes
    """Not looked into: what a later step refuses by name."""
    return value


def _in_range(value: float, least: float | None, most: float | None, path: str, problems: Problems) -> None:
    if least is not None and value < least:
        problems.add(path, f"error.min: at least {least}")
    if most is not None and value > most:
        problems.add(path, f"error.max: at most {most}")


def _without_repeats(items: list[Any]) -> list[Any]:
    clean: list[Any] = []
    for item in items:
        if item not in clean:
            clean.append(item)
    return clean
