"""Users' rules in HAProxy's own language: what is accepted, what it matches, and where it is only a host. Pure.

A rule is one criterion (`hdr(host) -i app.example`, `path_beg /api`). The words of one that nobody looked at could be
another directive, read files, never match, or match everyone's requests: all seen with HAProxy 2.6, whose own check
passes them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FORBIDDEN = frozenset("#\\\"'${}|!;`[]<>%")
MAX_LENGTH = 2000
MAX_WORDS = 50
HEADER = re.compile(r"(?:req\.)?hdr(?:_(beg|end|dom|dir|sub|reg))?\(([A-Za-z0-9-]+)\)")
PART = re.compile(r"(path|url|base|query)(?:_(beg|end|dom|dir|sub|reg))?")
METHODS = frozenset({"beg", "end", "dom", "dir", "sub", "reg", "str"})
HOST = re.compile(r"[A-Za-z0-9_.-]+(?::\d{1,5})?")
WORD = re.compile(r"[A-Za-z0-9_.,:/?&=~@^*+()-]+")
NESTED = re.compile(r"[*+)]\s*[*+]")
ADDRESS = re.compile(r"[0-9a-fA-F.:]+(?:/\d{1,3})?")
CONNECTIVES = frozenset({"or", "and", "if", "unless", "not"})


class RuleError(ValueError):
    """Why a rule is refused."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """`what`: "host", "header", "path", "url", "base", "query", "method" or "src". `how`: "str", "beg", ..."""

    text: str
    what: str
    how: str
    ignore_case: bool
    values: tuple[str, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of a rule that asks for nothing but exact hosts; those need no rule but a map entry."""
        if self.what != "host" or self.how != "str":
            return ()
        return tuple(dict.fromkeys(value.lower().partition(":")[0] for value in self.values))

    def matches(self, host: str, path: str) -> bool:
        """Whether a GET of the path at the host matches. For rules about other things: no."""
        subject = {"host": host, "path": path, "url": path, "base": host + path}.get(self.what)
        if subject is None:
            return False
        return any(self._value_matches(subject, value) for value in self.values)

    def _value_matches(self, subject: str, value: str) -> bool:
        if self.how == "reg":
            return re.search(value, subject, re.IGNORECASE if self.ignore_case else 0) is not None
        if self.ignore_case:
            subject, value = subject.lower(), value.lower()
        if self.how == "beg":
            return subject.startswith(value)
        if self.how == "end":
            return subject.endswith(value)
        if self.how in ("sub", "dom", "dir"):
            return value in subject
        return subject == value


def parse(text: str) -> Parsed:
    """Check one rule. Raises RuleError."""
    if not text.strip():
        raise RuleError("the rule is empty")
    if len(text) > MAX_LENGTH or not all(" " <= letter <= "~" for letter in text):
        raise RuleError(f"a rule is one line of printable ASCII, at most {MAX_LENGTH} characters")
    if found := sorted(FORBIDDEN & set(text)):
        raise RuleError(f"not allowed in a rule: {' '.join(found)}")
    fetch, *words = text.split()
    if len(words) > MAX_WORDS:
        raise RuleError(f"more than {MAX_WORDS} words")
    what, how = _fetch(fetch)
    ignore_case = False
    while words and words[0].startswith("-"):
        flag = words.pop(0)
        if flag == "--":
            break
        if flag == "-i":
            ignore_case = True
        elif flag == "-m" and words and words[0] in METHODS and how == "str":
            how = words.pop(0)
        else:
            raise RuleError(f"flag {flag} is not allowed: -i, -m {'|'.join(sorted(METHODS))}, --")
    if not words:
        raise RuleError(f"{fetch} without a value")
    for word in words:
        _check_value(what, how, word)
    return Parsed(" ".join(text.split()), what, how, ignore_case, tuple(words))


def _fetch(fetch: str) -> tuple[str, str]:
    if match := HEADER.fullmatch(fetch):
        how, name = match.groups()
        return "host" if name.lower() == "host" else "header", how or "str"
    if match := PART.fullmatch(fetch):
        return match.group(1), match.group(2) or "str"
    if fetch in ("method", "src"):
        return fetch, "str"
    raise RuleError(
        f"{fetch} is not allowed; use hdr(NAME), path, url, base, query (with _beg, _end, _dom, _dir, _sub, _reg), "
        "method or src"
    )


def _check_value(what: str, how: str, word: str) -> None:
    if word.startswith("-"):
        raise RuleError(f"{word}: flags come before the values")
    if word.lower() in CONNECTIVES:
        raise RuleError(f"{word!r} would be a value: a rule is one criterion")
    if not WORD.fullmatch(word):
        raise RuleError(f"{word!r} has characters that are not allowed")
    if how == "reg":
        if NESTED.search(word) or len(word) > 200:
            raise RuleError(f"the regular expression {word!r} could take for ever")
        try:
            re.compile(word)
        except re.error as error:
            raise RuleError(f"{word!r} is not a regular expression: {error}") from error
    elif what == "host" and how == "str" and not HOST.fullmatch(word):
        raise RuleError(f"{word!r} is not a host name")
    elif what in ("path", "url") and how in ("str", "beg") and not word.startswith("/"):
        raise RuleError(f"{word!r} never matches: it does not start with /")
    elif what == "method" and not re.fullmatch(r"[A-Z]{3,10}", word):
        raise RuleError(f"{word!r} is not a method")
    elif what == "src" and not ADDRESS.fullmatch(word):
        raise RuleError(f"{word!r} is not an address or network")


# Requests that belong to nobody: a rule that matches one of them matches everyone's.
NOBODY = (("nobody.invalid", "/"), ("x7.invalid", "/q-2f7c"), ("198.51.100.7", "/z/9"))


def captures(rule: Parsed, hosts: dict[str, str], app: str) -> str | None:
    """Why a rule takes what is not its own: everything, or hosts (`host -> application`) of others."""
    if rule.what in ("method", "src"):
        return f"it would take the requests of all hosts: {rule.what} says nothing about the application"
    if all(rule.matches(host, path) for host, path in NOBODY):
        return "it would take the requests of all hosts"
    if rule.what == "host" and rule.how != "str":
        for host, owner in hosts.items():
            if owner != app and rule.matches(host, "/"):
                return f"it would also match {host}, which belongs to {owner}"
    return None
