"""Everything an operator sees. The only module that prints.

Results go to standard output: tables, or one JSON document with `--json`. Progress goes to standard
error: a line per phase always, a line per node only where a person is watching.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from bootstrap.errors import OperatorError

_BOLD, _RED, _DIM, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


class Report:
    """Prints for a person or, with `as_json`, for a program."""

    def __init__(self, *, as_json: bool = False, verbose: bool = False) -> None:
        self.as_json = as_json
        self.verbose = verbose or sys.stderr.isatty()
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def json(self, document: Any) -> None:
        """The whole result as one JSON document on standard output."""
        print(json.dumps(document, indent=2, sort_keys=False, default=str))

    def line(self, text: str = "") -> None:
        """One line of a result (silent with `--json`)."""
        if not self.as_json:
            print(text)

    def heading(self, text: str) -> None:
        """A line that begins a part of a result."""
        self.line(_styled(text, _BOLD, sys.stdout.isatty()))

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Columns as wide as their widest cell; nothing with `--json`."""
        if self.as_json:
            return
        cells = [[str(cell) for cell in row] for row in rows]
        widths = [max([len(header), *(len(row[i]) for row in cells)]) for i, header in enumerate(headers)]
        self.heading("  ".join(header.upper().ljust(width) for header, width in zip(headers, widths, strict=True)))
        for row in cells:
            self.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def progress(self, phase: str, text: str, *, node: str = "") -> None:
        """What is going on, with the time since the start; node lines only for a person or `--verbose`."""
        if node and not self.verbose:
            return
        elapsed = f"{time.monotonic() - self._started:6.1f}s"
        label = f"[{phase}]" + (f" {node}:" if node else "")
        with self._lock:
            print(f"{_styled(elapsed, _DIM, sys.stderr.isatty())} {label} {text}", file=sys.stderr, flush=True)

    def error(self, error: OperatorError) -> None:
        """What failed, where, the last lines, the likely cause and the next command."""
        if self.as_json:
            self.json(error.as_json())
        where = f" ({error.where})" if error.where else ""
        out = [_styled(f"error: {error.what}{where}", _RED, sys.stderr.isatty())]
        out += [f"    {line}" for line in error.lines]
        if error.cause:
            out.append(f"  cause: {error.cause}")
        if error.next_step:
            out.append(f"  next:  {error.next_step}")
        with self._lock:
            print("\n".join(out), file=sys.stderr, flush=True)

    def interrupted(self) -> None:
        """The last words of a run that somebody stopped."""
        print("interrupted: run the same command again, it continues from here", file=sys.stderr, flush=True)


def _styled(text: str, style: str, on: bool) -> str:
    return f"{style}{text}{_PLAIN}" if on else text
