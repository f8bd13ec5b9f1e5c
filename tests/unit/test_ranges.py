"""Ranges of names and addresses."""

import time

import pytest

from bootstrap.ranges import LIMIT, RangeError, expand, is_range


@pytest.mark.parametrize(
    ("pattern", "members"),
    [
        ("edge-1", ["edge-1"]),
        ("agent-[1:3]", ["agent-1", "agent-2", "agent-3"]),
        ("agent-[2:2]", ["agent-2"]),
        ("agent-[0:1]", ["agent-0", "agent-1"]),
        ("agent-[08:11]", ["agent-08", "agent-09", "agent-10", "agent-11"]),
        ("agent-[000:001]", ["agent-000", "agent-001"]),
        ("[9:10]", ["9", "10"]),
        ("10.0.0.[9:11]", ["10.0.0.9", "10.0.0.10", "10.0.0.11"]),
        ("10.0.[1:2].[1:2]", ["10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.2.2"]),
        ("r[1:2]-n[01:02]-x", ["r1-n01-x", "r1-n02-x", "r2-n01-x", "r2-n02-x"]),
    ],
)
def test_members_in_order(pattern, members):
    assert list(expand(pattern)) == members


@pytest.mark.parametrize(
    ("pattern", "message", "fix"),
    [
        ("a-[1-3]", "[1-3] is not a range", "write two numbers and a colon between brackets, as in [1:20]"),
        ("a-[]", "[] is not a range", "write two numbers and a colon between brackets, as in [1:20]"),
        ("a-[1:]", "[1:] is not a range", "write two numbers and a colon between brackets, as in [1:20]"),
        ("a-[1:2", "[1:2 is not a range", "write two numbers and a colon between brackets, as in [1:20]"),
        ("a-1:2]", "] is not a range", "write two numbers and a colon between brackets, as in [1:20]"),
        ("a-[1:2:3]", "[1:2:3] is not a range", "write two numbers and a colon between brackets, as in [1:20]"),
        ("a-[[1:2]]", "[[1:2] is not a range", "write two numbers and a colon between brackets, as in [1:20]"),
        ("a-[-1:2]", "[-1:2] is not a range", "write two numbers and a colon between brackets, as in [1:20]"),
        ("a-[٣:٤]", "[٣:٤] is not a range", "write two numbers and a colon between brackets, as in [1:20]"),
        ("a-[3:1]", "[3:1] runs backwards", "write [1:3]"),
        ("a-[01:100]", "[01:100] is padded with zeros to two different widths", "write [001:100]"),
        ("a-[1:010]", "[1:010] is padded with zeros to two different widths", "write [001:010]"),
    ],
)
def test_malformed(pattern, message, fix):
    with pytest.raises(RangeError) as caught:
        expand(pattern)
    assert (str(caught.value), caught.value.fix) == (message, fix)


@pytest.mark.parametrize(
    "pattern", [f"a-[1:{LIMIT + 1}]", "a-[1:999999999]", "[0:99][0:100]", "[1:999999999][1:999999999]"]
)
def test_huge_ranges_are_refused_before_they_are_made(pattern):
    started = time.perf_counter()
    with pytest.raises(RangeError, match=f"members, more than {LIMIT}"):
        expand(pattern)
    assert time.perf_counter() - started < 0.1


def test_the_largest_range_is_exact():
    assert len(expand(f"a-[1:{LIMIT}]")) == LIMIT


def test_is_range():
    assert [is_range(text) for text in ("a", "a-[1:2]", "a]", "[")] == [False, True, True, True]
