"""Where things lie: the checkout, what is kept per environment, what is cached for all of them."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PILLAR = CHECKOUT / "pillar"
SALT = CHECKOUT / "salt"


def state_dir(env: str) -> Path:
    """Keys, secrets, CA, journal and SSH configuration of one environment (mode 0700).

    `UTOPIA_STATE_DIR`, else `$XDG_STATE_HOME/utopia`, else `~/.local/state/utopia`.
    """
    path = state_path(env)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def state_path(env: str) -> Path:
    """The same folder for those who only look: it may not exist, and is not made."""
    return _base("UTOPIA_STATE_DIR", "XDG_STATE_HOME", ".local/state") / env


def cache_dir() -> Path:
    """Artifacts, wheelhouse, machine image: can be deleted at any time. `UTOPIA_CACHE_DIR` moves it."""
    path = _base("UTOPIA_CACHE_DIR", "XDG_CACHE_HOME", ".cache")
    path.mkdir(parents=True, exist_ok=True)
    return path


def _base(own: str, xdg: str, home: str) -> Path:
    if own in os.environ:
        return Path(os.environ[own]).expanduser().absolute()
    if os.environ.get(xdg):
        return Path(os.environ[xdg]) / "utopia"
    return Path.home() / home / "utopia"
