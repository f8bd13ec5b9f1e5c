"""Questions to the person at the terminal, past redirected input and output. The only module that asks."""

from __future__ import annotations

import getpass
import os
import threading
from pathlib import Path

_TERMINAL = Path("/dev/tty")
_LOCK = threading.Lock()  # one question at a time


def present() -> bool:
    """Whether somebody could answer."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def confirmed(text: str, question: str) -> bool:
    """Whether a person typed `yes`; False where there is none."""
    if not present():
        return False
    with _LOCK, _TERMINAL.open("r", encoding="utf-8") as answers, _TERMINAL.open("w", encoding="utf-8") as screen:
        screen.write(f"{text}\n{question} [type yes] ")
        screen.flush()
        return answers.readline().strip().lower() == "yes"


def typed(question: str) -> str | None:
    """A line that a person typed; None where there is nobody."""
    if not present():
        return None
    with _LOCK, _TERMINAL.open("r", encoding="utf-8") as answers, _TERMINAL.open("w", encoding="utf-8") as screen:
        screen.write(question)
        screen.flush()
        return answers.readline().strip()


def secret(prompt: str) -> str | None:
    """What a person typed, unseen; None where there is nobody."""
    if not present():
        return None
    with _LOCK:
        return getpass.getpass(prompt)
