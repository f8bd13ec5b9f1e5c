"""Label selectors of the API: `team == web, tier in (front, back), public`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from services.scheduler.definitions.errors import InvalidDefinition

Selector = Callable[[Mapping[str, str]], bool]

# Marathon asks for a backslash before all but letters and digits; what cannot be mistaken is taken without as well.
_TERM = re.compile(r"(?:\\.|[^\s\\,()=!])+")
_SPACE = re.compile(r"\s*")
_SET_OPERATOR = re.compile(r"(notin|in)\s*\(")


def parse(text: str) -> Selector:
    """A function of labels: whether all of the selectors, separated by commas, fit. An empty text selects everything.

    `key`, `key == value`, `key != value`, `key in (a, b)`, `key notin (a, b)`; each asks that the label is there.
    Raises `InvalidDefinition` (422).
    """
    tests = _Reader(text).tests()
    return lambda labels: all(key in labels and fits(labels[key]) for key, fits in tests)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._skip_space()

    def tests(self) -> list[tuple[str, Callable[[str], bool]]]:
        if self._at == len(self._text):
            return []
        found = [self._test()]
        while self._take(","):
            found.append(self._test())
        if self._at < len(self._text):
            raise self._error("',' or the end")
        return found

    def _test(self) -> tuple[str, Callable[[str], bool]]:
        key = self._term()
        if self._take("=="):
            value = self._term()
            return key, lambda label: label == value
        if self._take("!="):
            value = self._term()
            return key, lambda label: label != value
        operator = _SET_OPERATOR.match(self._text, self._at)
        if operator:
            self._at = operator.end()
            self._skip_space()
            values = self._terms()
            return key, values.__contains__ if operator[1] == "in" else lambda label: label not in values
        return key, lambda _label: True

    def _terms(self) -> frozenset[str]:
        found = []
        if not self._take(")"):
            found.append(self._term())
            while self._take(","):
                found.append(self._term())
            if not self._take(")"):
                raise self._error("')'")
        return frozenset(found)

    def _term(self) -> str:
        term = _TERM.match(self._text, self._at)
        if not term:
            raise self._error("a label or value")
        self._at = term.end()
        self._skip_space()
        return re.sub(r"\\(.)", r"\1", term[0])

    def _take(self, word: str) -> bool:
        if not self._text.startswith(word, self._at):
            return False
        self._at += len(word)
        self._skip_space()
        return True

    def _skip_space(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _error(self, expected: str) -> InvalidDefinition:
        reason = f"{expected} expected at character {self._at + 1}"
        return InvalidDefinition(422, f"Can not parse label selector {self._text}. Reason: {reason}")
