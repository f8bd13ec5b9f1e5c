"""RecordIO, the framing of Mesos' event streams: decimal length, newline, that many bytes."""

from __future__ import annotations

MAX_RECORD = 256 * 1024 * 1024  # bytes; offers of 5,000 agents in one event are about 10 MB
_MAX_HEADER = 20  # digits


class RecordError(Exception):
    """The stream is not RecordIO: there is no way to find the next record."""


class Decoder:
    """Takes the stream in pieces of any size and gives whole records."""

    def __init__(self, max_record: int = MAX_RECORD) -> None:
        self._max_record = max_record
        self._buffer = bytearray()
        self._length: int | None = None  # of the record that is being read

    def feed(self, data: bytes) -> list[bytes]:
        """The records that `data` completes, in order. Raises RecordError on a broken header."""
        self._buffer += data
        records = []
        start = 0
        while True:
            if self._length is None:
                end = self._buffer.find(b"\n", start, start + _MAX_HEADER + 1)
                if end < 0:
                    break
                self._length = self._parse(bytes(self._buffer[start:end]))
                start = end + 1
            if len(self._buffer) - start < self._length:
                break
            records.append(bytes(self._buffer[start : start + self._length]))
            start += self._length
            self._length = None
        del self._buffer[:start]
        if self._length is None and len(self._buffer) > _MAX_HEADER:
            raise RecordError(f"no length at the start of a record: {bytes(self._buffer[:_MAX_HEADER])!r}")
        return records

    def _parse(self, header: bytes) -> int:
        if not header.isdigit():
            raise RecordError(f"not a length: {header!r}")
        length = int(header)
        if length > self._max_record:
            raise RecordError(f"a record of {length} bytes; the limit is {self._max_record}")
        return length


def encode(record: bytes) -> bytes:
    """One record as it stands in a stream."""
    return b"%d\n%b" % (len(record), record)
