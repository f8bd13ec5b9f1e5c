"""How lines of a log belong together: patterns for the shippers' configuration."""

import re

_INDENTED = " "  # and a tab, see below
_DOTTED = "[a-z][a-z0-9_]*([^a-z0-9_.]|[.][^a-z])"  # complement of a.b..., the name of a class
_ESCAPED = (
    r"\\([^tu]|u[^0]|u0[^0]|u00[^0]|u000[^9])"  # what JSON writes with a backslash, but for the tab: \t or \u0009
)


def end_pattern(heads):
    """POSIX pattern of a line in Docker's JSON after which nothing can belong to it.

    It ends with a newline (a piece of a longer line does not), is not indented, and begins neither with one of `heads`
    nor with the dotted name of a class: behind those, the rest of a trace may come. POSIX knows no negation, so
    what the beginning is not is spelt out.
    """
    words = {}
    for head in heads:
        if not re.fullmatch("[A-Z][ -Z^-~]*", head):
            raise ValueError(f"a head of a trace begins with a capital letter, and holds no bracket: {head!r}")
        node = words
        for character in head:
            node = node.setdefault(character, {})
    first = f"[^{_INDENTED}a-z{''.join(sorted(words))}\\\\]"
    return f'^\\{{"log":"({"|".join([first, *_unlike("", words), _DOTTED, _ESCAPED])})(.*\\\\n|n|)","stream":"'


def _unlike(before, words):
    """What begins like one of the words, and goes on differently."""
    for character, rest in sorted(words.items()):
        beginning = before + (character if character.isalnum() or character == " " else f"[{character}]")
        if rest:
            yield f"{beginning}[^{''.join(sorted(rest))}]"
            yield from _unlike(beginning, rest)


def quoted(text):
    """As a string in a configuration file of rsyslog."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
