"""Ranges in names and addresses: `agent-[001:500]`, `10.0.[1:2].[1:250]`.

A pattern with several ranges stands for their product in order, the last range running fastest.
Zeros in front are kept: [001:500] is 001, 002, ... 500.
"""

from __future__ import annotations

import re
from itertools import product
from math import prod

LIMIT = 10_000  # members of one pattern; more is a typing error, and would only fill the memory

_RANGE = re.compile(r"\[([0-9]{1,9}):([0-9]{1,9})\]")
_BRACKETED = re.compile(r"\[[^\]]*\]?|\]")


class RangeError(ValueError):
    """A pattern that stands for nothing. `str(error)` says what is wrong, `fix` what to write."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def is_range(pattern: str) -> bool:
    """Whether the text means to be a range, well-formed or not."""
    return "[" in pattern or "]" in pattern


def expand(pattern: str) -> tuple[str, ...]:
    """All members of a pattern, in order; a text without brackets is its own only member."""
    if not is_range(pattern):
        return (pattern,)
    bounds = [_bounds(text) for text in _BRACKETED.findall(pattern)]
    size = prod(last - first + 1 for first, last, _ in bounds)
    if size > LIMIT:
        raise RangeError(
            f"the range has {size} members, more than {LIMIT}",
            f"check the ends of the range; split it if there really are more than {LIMIT} nodes",
        )
    fixed = _BRACKETED.split(pattern)
    choices = [[str(number).zfill(width) for number in range(first, last + 1)] for first, last, width in bounds]
    return tuple(_join(fixed, chosen) for chosen in product(*choices))


def _bounds(text: str) -> tuple[int, int, int]:
    """First, last and width (0 = not padded) of one bracketed range."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise RangeError(f"{text} is not a range", "write two numbers and a colon between brackets, as in [1:20]")
    first, last = match.groups()
    if int(first) > int(last):
        raise RangeError(f"{text} runs backwards", f"write [{last}:{first}]")
    padded = len(first) > 1 and first.startswith("0")
    if (padded or last.startswith("0")) and len(first) != len(last):
        width = max(len(first), len(last))
        raise RangeError(
            f"{text} is padded with zeros to two different widths", f"write [{first.zfill(width)}:{last.zfill(width)}]"
        )
    return int(first), int(last), len(first) if padded else 0


def _join(fixed: list[str], chosen: tuple[str, ...]) -> str:
    parts = [fixed[0]]
    for text, after in zip(chosen, fixed[1:], strict=True):
        parts += (text, after)
    return "".join(parts)
