"""Which lines of Docker's JSON end what belongs together."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from bootstrap import paths

HEADS = yaml.safe_load((paths.SALT / "rsyslog/defaults.yaml").read_text())["trace_heads"]


@pytest.fixture
def ends(load):
    pattern = re.compile(load("_modules/log_lines").end_pattern(HEADS))

    def ends(text, tab="\\t"):
        line = {"log": text, "stream": "stdout", "attrs": {"A": "b"}, "time": "2026-01-01T00:00:00.1Z"}
        return bool(pattern.search(json.dumps(line, separators=(",", ":")).replace("\\t", tab)))

    return ends


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "",
        "E",
        "Err",
        "Errors: 3",
        "Tr",
        "a",
        "GET /x",
        "foo. Bar",
        "log: x",
        '{"a": 1}',
        "[x]",
        "\x1b[0m",
        "ä",
        '"q"',
    ],
)
def test_a_line_is_whole(ends, text):
    assert ends(f"{text}\n")


@pytest.mark.parametrize(
    "text", ["  File x", "\tat a.b(C.java)", *HEADS, "java.lang.Error: x", "requests.exceptions.Timeout"]
)
def test_more_may_follow(ends, text):
    assert not ends(f"{text}\n")
    assert not ends(f"{text}\n", tab="\\u0009")


def test_a_piece_is_not_the_end(ends):
    assert not ends("x" * 16384)
    assert ends("the rest of it\n")


def test_a_head_that_the_pattern_cannot_hold_is_refused(load):
    for head in ("panic:", "", "A[b", "A]"):
        with pytest.raises(ValueError, match="capital"):
            load("_modules/log_lines").end_pattern([head])


def test_quoted(load):
    assert load("_modules/log_lines").quoted('a\\n"b') == '"a\\\\n\\"b"'
