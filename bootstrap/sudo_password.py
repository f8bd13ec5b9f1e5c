"""The password that sudo asks for on some hosts: from a prompt or a 0600 file, kept in memory, sent on stdin only.

`driver.sudo_password` is "ask" or the path of a file. A process that has nobody to ask (the checks) is told the
answers over an inherited pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from bootstrap import terminal
from bootstrap.errors import SudoError

ASK = "ask"
PIPE_VARIABLE = "UTOPIA_SUDO_PIPE"  # holds the number of a file descriptor, never a password
MARK = "end-of-sudo-password"
# `sudo -k` asks even when it did a moment ago, so that the password never ends up in the command's own input. Where
# sudo asks for none at all, the loop drops it: the command's input begins after the mark.
AS_ROOT = (
    "sudo",
    "-k",
    "-S",
    "-p",
    "",
    "sh",
    "-c",
    f'while IFS= read -r line && [ "$line" != {MARK} ]; do :; done; exec "$@"',
    "sh",
)
PROBE = "sudo -k -S -p '' true"  # with the password alone as input: a wrong one is tried once, and nothing else is sent

_known: dict[str, str] = {}
_lock = threading.Lock()


def of(source: str) -> str:
    """The password. Raises SudoError where it cannot be had."""
    with _lock:
        if source not in _known:
            _known.update(_inherited())
        if source not in _known:
            _known[source] = _asked() if source == ASK else _read(Path(source))
        return _known[source]


def before_input(source: str) -> bytes:
    """What a command run with AS_ROOT reads before its own input."""
    return f"{of(source)}\n{MARK}\n".encode()


def forget() -> None:
    """For tests, and after a wrong answer."""
    with _lock:
        _known.clear()


@contextlib.contextmanager
def handed_over(sources: Iterable[str]) -> Iterator[tuple[int, ...]]:
    """File descriptors for `pass_fds` of a child that is to know the answers that were typed; () where there are none.

    The child finds them by PIPE_VARIABLE, which the caller sets to the first of them.
    """
    if ASK not in set(sources):
        yield ()
        return
    answers = json.dumps({ASK: of(ASK)}).encode()
    reading, writing = os.pipe()
    try:
        os.write(writing, answers)
        os.close(writing)
        yield (reading,)
    finally:
        os.close(reading)


def _inherited() -> dict[str, str]:
    number = os.environ.pop(PIPE_VARIABLE, "")
    if not number:
        return {}
    with os.fdopen(int(number), "rb") as pipe:
        return dict(json.loads(pipe.read()))


def _asked() -> str:
    answer = terminal.secret("sudo password of the hosts: ")
    if answer is None:
        raise SudoError(
            "sudo's password is to be asked for, and there is no terminal",
            where="driver.sudo_password: ask",
            next_step="run it in a terminal, or write the password into a file of mode 0600 and its path into"
            " driver.sudo_password",
        )
    return answer


def _read(path: Path) -> str:
    try:
        facts = path.stat()
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SudoError(
            "the file with sudo's password cannot be read",
            where=str(path),
            lines=[error.strerror or str(error)],
            next_step="write the password there (one line, mode 0600), or set driver.sudo_password: ask",
        ) from error
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SudoError(
            "the file with sudo's password can be read by others",
            where=f"{path}, mode {stat.S_IMODE(facts.st_mode):04o}",
            next_step=f"chmod 600 {path}; and think about whether the password is still a secret",
        )
    lines = text.splitlines()
    if len(lines) != 1 or not lines[0]:
        raise SudoError(
            "the file with sudo's password must hold exactly one line",
            where=str(path),
            next_step="write the password there, and nothing else",
        )
    return lines[0]
