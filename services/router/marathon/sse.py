"""Server-sent events: bytes as they come -> events. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MAX_EVENT = 16 * 1024 * 1024  # a deployment's plan can be large; more than this is not Marathon


class EventTooLongError(Exception):
    """An event without an end."""


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is "message" when the stream names none."""

    name: str
    data: str


class Parser:
    """Feed it what was received; lines may be cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, received: bytes) -> Iterator[Event]:
        """The events that are complete now. Raises EventTooLongError."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) + self._size > MAX_EVENT:
            raise EventTooLongError(f"an event of more than {MAX_EVENT} bytes")
        for line in lines:
            event = self._line(line.rstrip(b"\r").decode("utf-8", "replace"))
            if event:
                yield event

    def _line(self, line: str) -> Event | None:
        if not line:
            event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
            self._name, self._data, self._size = "", [], 0
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
            self._size += len(value)
        return None
