"""The Salt master's event stream as a mailbox of job returns.

salt-api streams the events of the master's bus (`GET /events`). Reading them costs the master nearly
nothing, where asking again and again for a job costs it a process each time (a runner).
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from typing import Any

_EARLY = 512  # returns kept that came before their job was known to us
_RETRY_SECONDS = 0.5


class Mailbox:
    """Returns by job and node, filled by one background thread; `open_stream` gives the lines of the stream.

    The stream may break and events may be lost with it: whoever waits here asks the master's job cache
    before calling a node silent.
    """

    def __init__(self, open_stream: Callable[[], Iterable[bytes]]) -> None:
        self._open = open_stream
        self._news = threading.Condition()
        self._jobs: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._early: deque[tuple[str, str, Mapping[str, Any]]] = deque(maxlen=_EARLY)
        self._connected = False
        self._closed = False
        self._tag: list[str] = []
        self._thread: threading.Thread | None = None

    def start(self, seconds: float) -> None:
        """Connect, if not connected. Waits at most `seconds`: without the stream everything works, only slower."""
        with self._news:
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="salt-events", daemon=True)
                self._thread.start()
            self._news.wait_for(lambda: self._connected or self._closed, timeout=seconds)

    def expect(self, jid: str) -> None:
        """Keep the returns of this job."""
        with self._news:
            box = self._jobs.setdefault(jid, {})
            box.update({node: data for job, node, data in self._early if job == jid})

    def wait(self, jid: str, seen: int, seconds: float) -> dict[str, Mapping[str, Any]]:
        """The returns so far, as soon as there are more than `seen`, or after `seconds`."""
        with self._news:
            self._news.wait_for(lambda: len(self._jobs[jid]) > seen or self._closed, timeout=max(0.0, seconds))
            return dict(self._jobs[jid])

    def put(self, jid: str, node: str, data: Mapping[str, Any]) -> None:
        """A return, from the stream or from the job cache."""
        with self._news:
            if jid in self._jobs:
                self._jobs[jid].setdefault(node, data)
                self._news.notify_all()
            else:
                self._early.append((jid, node, data))

    def forget(self, jid: str) -> None:
        """The job is done with."""
        with self._news:
            self._jobs.pop(jid, None)

    def close(self) -> None:
        """Wake whoever waits; the thread ends with its stream."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _listen(self) -> None:
        while not self._closed:
            try:
                for line in self._open():
                    if self._closed:
                        return
                    self._mark(connected=True)
                    self._read(line)
            except (OSError, HTTPException, ValueError):  # broken, refused, cut short: all the same to us
                pass
            self._mark(connected=False)
            time.sleep(_RETRY_SECONDS)

    def _mark(self, *, connected: bool) -> None:
        if connected != self._connected:
            with self._news:
                self._connected = connected
                self._news.notify_all()

    def _read(self, line: bytes) -> None:
        # tag: salt/job/<jid>/ret/<node>
        # data: {"tag": ..., "data": {...}}
        if line.startswith(b"tag: "):
            self._tag = line[len(b"tag: ") :].decode().strip().split("/")
        elif line.startswith(b"data: ") and len(self._tag) == 5 and (self._tag[1], self._tag[3]) == ("job", "ret"):
            self.put(self._tag[2], self._tag[4], json.loads(line[len(b"data: ") :])["data"])
