"""Questions to a person, at a real terminal of the kernel's."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from bootstrap import paths

CONFIRM = "from bootstrap import terminal; print('said', terminal.confirmed('a list', 'Record them?'))"
SECRET = "from bootstrap import terminal; print('said', len(terminal.secret('password: ')))"


def at_terminal(program: str, answer: str) -> str:
    """Everything that the terminal showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(paths.CHECKOUT)
        os.execv(sys.executable, [sys.executable, "-c", program])
    shown = b""
    while b"? [type yes] " not in shown and b"password: " not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, answer.encode() + b"\n")
    try:
        while more := os.read(terminal, 1024):
            shown += more
    except OSError:  # the child's end of the terminal is closed
        pass
    os.waitpid(child, 0)
    os.close(terminal)
    return shown.decode()


@pytest.mark.parametrize(("answer", "said"), [("yes", True), ("YES", True), ("y", False), ("", False), ("no", False)])
def test_only_the_whole_word_confirms(answer: str, said: bool) -> None:
    shown = at_terminal(CONFIRM, answer)
    assert "a list" in shown
    assert f"said {said}" in shown


def test_a_password_is_not_shown() -> None:
    shown = at_terminal(SECRET, "correct horse")
    assert "said 13" in shown
    assert "correct" not in shown


@pytest.mark.parametrize(("program", "said"), [(CONFIRM, "said False"), (SECRET.replace("len", "str"), "said None")])
def test_without_a_terminal_nobody_is_asked(program: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=paths.CHECKOUT,
        start_new_session=True,
        check=False,
    )
    assert done.stdout.strip() == said, done.stderr
