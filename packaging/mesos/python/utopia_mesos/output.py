"""What a command task prints: into the sandbox as it is, and once more line by line for the log shipper.

The second copy has the form of Docker's json-file log: each line with its time and the task's names, in `FOLDER/NAME`,
rotated at a bound. A task never waits for a shipper, and never fails because the disk is full: what cannot be
written is left out, and a later line says how much.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

FOLDER, NAME = ".log", "lines-json.log"
LARGEST = 10 * 2**20  # bytes of one file; as much again is kept of the one before
PIECE = 16 * 1024  # longer lines come in pieces: all but the last without a newline
NAMES = ("MARATHON_APP_ID", "MARATHON_APP_VERSION", "MESOS_TASK_ID")
END_SECONDS = 2.0  # what somebody holds open whom the task has left behind is not waited for any longer


class Output:
    """Both streams of one task. Give `files` to the process, call `begin` when it runs and `end` when it has ended."""

    def __init__(self, environment: Mapping[str, str], sandbox: Path, targets: tuple[int, int] = (1, 2)) -> None:
        attributes = {name: environment[name] for name in NAMES if name in environment}
        self._lines = _Lines(sandbox / FOLDER / NAME, attributes)
        self._ends = [(targets[0], "stdout", *os.pipe()), (targets[1], "stderr", *os.pipe())]
        self._threads = [
            threading.Thread(target=self._copy, args=(source, target, stream), daemon=True)
            for target, stream, source, _ in self._ends
        ]

    @property
    def files(self) -> tuple[int, int]:
        """What the process has as standard output and error."""
        return self._ends[0][3], self._ends[1][3]

    def begin(self) -> None:
        """The process has its ends; ours are closed, so that its end is seen."""
        self._close()
        for thread in self._threads:
            thread.start()

    def abandon(self) -> None:
        """There is no process after all."""
        self._close()
        for _, _, source, _ in self._ends:
            os.close(source)

    def end(self) -> None:
        """Everything that was printed has been written."""
        deadline = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _close(self) -> None:
        for _, _, _, end in self._ends:
            os.close(end)

    def _copy(self, source: int, target: int, stream: str) -> None:
        rest = b""
        while data := os.read(source, 65536):
            _write(target, data)
            *whole, rest = (rest + data).split(b"\n")
            pieces = [piece for line in whole for piece in _pieces(line + b"\n")]
            while len(rest) >= PIECE:
                pieces.append(rest[:PIECE])
                rest = rest[PIECE:]
            self._lines.add(stream, pieces)
        self._lines.add(stream, [rest] if rest else [])
        os.close(source)


class _Lines:
    """The file of lines, of both streams."""

    def __init__(self, path: Path, attributes: Mapping[str, str]) -> None:
        self._path = path
        self._attributes = json.dumps(attributes, separators=(",", ":"))
        self._lock = threading.Lock()
        self._file = -1
        self._size = 0
        self._lost = 0
        self._last = 0

    def add(self, stream: str, pieces: list[bytes]) -> None:
        """At once: a line is never torn."""
        if not pieces:
            return
        with self._lock:
            data = "".join(self._told(stream, piece) for piece in pieces).encode()
            try:
                if self._lost:
                    data = (
                        self._told("stderr", b"%d lines were lost: no space for the log\n" % self._lost).encode() + data
                    )
                self._append(data)
                self._lost = 0
            except OSError:
                self._lost += len(pieces)

    def _told(self, stream: str, piece: bytes) -> str:
        # Never the same time twice: it tells lines apart.
        self._last = max(self._last + 1, time.time_ns())
        seconds, rest = divmod(self._last, 10**9)
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"
        text = json.dumps(piece.decode(errors="replace"))
        return f'{{"log":{text},"stream":"{stream}","attrs":{self._attributes},"time":"{moment}"}}\n'

    def _append(self, data: bytes) -> None:
        if self._file >= 0 and self._size + len(data) > LARGEST and self._size:
            os.close(self._file)
            self._file = -1
            self._path.replace(f"{self._path}.1")
        if self._file < 0:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._file).st_size
        before = self._size
        written = os.write(self._file, data)
        self._size += written
        if written < len(data):  # the disk is full: no torn line stays behind
            os.ftruncate(self._file, before)
            self._size = before
            raise OSError("no space")


def _pieces(line: bytes) -> list[bytes]:
    return [line[start : start + PIECE] for start in range(0, len(line), PIECE)]


def _write(target: int, data: bytes) -> None:
    """As much as there is space for."""
    while data:
        try:
            data = data[os.write(target, data) :]
        except OSError:
            return
