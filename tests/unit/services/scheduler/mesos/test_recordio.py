"""Records come out whole, however the stream is cut."""

from __future__ import annotations

import pytest

from services.scheduler.mesos.recordio import Decoder, RecordError, encode

RECORDS = [b'{"type":"HEARTBEAT"}', b"", b"line\nbreaks\n12\n", b"x" * 100_000]
STREAM = b"".join(encode(record) for record in RECORDS)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, len(STREAM)])
def test_cut_anywhere(size: int) -> None:
    decoder = Decoder()
    found: list[bytes] = []
    for start in range(0, len(STREAM), size):
        found += decoder.feed(STREAM[start : start + size])
    assert found == RECORDS


def test_nothing_before_the_record_is_whole() -> None:
    decoder = Decoder()
    assert decoder.feed(b"5\nabcd") == []
    assert decoder.feed(b"e3\nx") == [b"abcde"]
    assert decoder.feed(b"yz") == [b"xyz"]


BROKEN = {
    "no number": b"abc\n{}",
    "negative": b"-1\n{}",
    "empty length": b"\n{}",
    "no newline": b"1" * 21,
    "JSON without a length": b'{"type":"SUBSCRIBED","and":"more"}',
    "too long": b"1001\n",
}


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN)
def test_broken(stream: bytes) -> None:
    with pytest.raises(RecordError):
        Decoder(max_record=1000).feed(stream)
