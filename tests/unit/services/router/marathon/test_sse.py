"""Server-sent events, cut anywhere."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.marathon import sse

STREAM = b'event: a\r\ndata: {"x":1}\r\n\r\n\r\n: comment\ndata: one\ndata: two\n\nevent: empty\n\ndata:last\n\n'
EVENTS = [sse.Event("a", '{"x":1}'), sse.Event("message", "one\ntwo"), sse.Event("message", "last")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_cut_anywhere(cuts):
    parser, found = sse.Parser(), []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in itertools.pairwise(edges):
        found += parser.feed(STREAM[start:end])
    assert found == EVENTS


def test_an_event_without_an_end_is_refused():
    parser = sse.Parser()
    with pytest.raises(sse.EventTooLongError):
        for _ in range(20):
            list(parser.feed(b"data: " + b"x" * (1 << 20)))
