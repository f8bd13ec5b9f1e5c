"""Runs programs of the controlling side: argument lists, captured output, a bound, no shell."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[str, str], None]  # (node or "", message)


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left behind. `status` is 127 for one that does not exist, 124 for one that hit its bound."""

    argv: tuple[str, ...]
    status: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    def tail(self, count: int = 15) -> tuple[str, ...]:
        """The last lines of both outputs, errors last: what an error message shows."""
        return tuple(line for line in (*self.out.splitlines(), *self.err.splitlines()) if line.strip())[-count:]


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout: float = 60,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Completed:
    """Run `argv`, at most `timeout` seconds. Never raises for what the program did."""
    try:
        done = subprocess.run(
            list(argv), input=stdin or b"", capture_output=True, timeout=timeout, env=env, cwd=cwd, check=False
        )
    except FileNotFoundError:
        return Completed(tuple(argv), 127, "", f"{argv[0]}: not found")
    except subprocess.TimeoutExpired as expired:
        err = _text(expired.stderr) + f"\n{argv[0]}: not finished after {timeout:g} s"
        return Completed(tuple(argv), 124, _text(expired.stdout), err)
    return Completed(tuple(argv), done.returncode, _text(done.stdout), _text(done.stderr))


def stream(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    keep: int = 400,
) -> Completed:
    """Run `argv` with both outputs merged; every line goes to `on_line`, the last `keep` into the result."""
    try:
        child = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
        )
    except FileNotFoundError:
        return Completed(tuple(argv), 127, "", f"{argv[0]}: not found")
    expired = threading.Event()

    def end() -> None:
        expired.set()
        child.kill()

    watchdog = threading.Timer(timeout, end)
    watchdog.daemon = True
    watchdog.start()
    lines: list[str] = []
    try:
        assert child.stdout is not None  # noqa: S101 - PIPE was asked for
        for raw in child.stdout:
            line = _text(raw).rstrip()
            lines = [*lines[-keep + 1 :], line]
            on_line(line)
        child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        watchdog.cancel()
    if expired.is_set():
        return Completed(tuple(argv), 124, "\n".join(lines), f"{argv[0]}: not finished after {timeout:g} s")
    return Completed(tuple(argv), child.returncode, "\n".join(lines), "")


def _text(raw: bytes | str | None) -> str:
    if raw is None:
        return ""
    return raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
