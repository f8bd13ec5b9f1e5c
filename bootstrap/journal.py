"""The journal: what was done, when, with what result. It never decides whether a host is right."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Appends one JSON object per line to `journal.jsonl` (mode 0600) of an environment."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"
        self._run = f"{int(time.time())}-{os.getpid()}"
        self._lock = threading.Lock()

    def write(self, event: str, **facts: Any) -> None:
        """Record an event with its time (seconds since 1970) and the run it belongs to."""
        line = json.dumps({"time": round(time.time(), 3), "run": self._run, "event": event, **facts}, default=str)
        with self._lock:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, f"{line}\n".encode())
            finally:
                os.close(descriptor)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """All events, oldest first; a line cut short by a power loss is left out."""
    path = folder / "journal.jsonl"
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
