"""Wheels for the machines: fetched and built once here, hash-locked, so that no machine asks a package index.

A wheelhouse is a folder of wheels with `STAMP` (what it was made of) and `SHA256SUMS` (what
`packaging/salt/install.sh` checks before it installs on a machine).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap import engine, file_lock, paths
from bootstrap.errors import ArtifactError
from bootstrap.process import Progress, run, stream

LOCK = paths.CHECKOUT / "packaging" / "salt" / "requirements.lock"
BUILD_CONSTRAINTS = paths.CHECKOUT / "packaging" / "salt" / "build-constraints.txt"
INSTALLER = paths.CHECKOUT / "packaging" / "salt" / "install.sh"
_FETCH_SECONDS = 900.0
_INSTALL_SECONDS = 300.0


def key(lock: Path = LOCK) -> str:
    """Changes with the lock file and with the Python the wheels are for."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return hashlib.sha256(python.encode() + lock.read_bytes() + BUILD_CONSTRAINTS.read_bytes()).hexdigest()[:16]


def ensure(progress: Progress, lock: Path = LOCK) -> Path:
    """The folder of wheels for `lock`."""
    target = paths.cache_dir() / "wheelhouse" / key(lock)
    with _made_once(target) as draft:
        if draft is not None:
            engine.install(engine.BUILDING_PROGRAMS, progress, why="one of Salt's dependencies is compiled")
            progress("", "fetching Salt's wheels")
            fill(draft, lock, target.name)
    return target


def fill(folder: Path, lock: Path, stamp: str) -> None:
    """Put the wheels that `lock` names into `folder`, with their checksums and the stamp. Raises ArtifactError."""
    _fetch(lock, folder)
    _seal(folder, stamp)


def ensure_venv(progress: Progress) -> Path:
    """A venv with Salt on the controlling side, to render and check states offline; its folder."""
    wheels = ensure(progress)
    target = paths.cache_dir() / "salt-venv" / wheels.name
    with file_lock.exclusive(target.with_name(f"{target.name}.lock")):
        command = ["sh", str(INSTALLER), str(wheels), str(target)]
        done = run(["env", f"PYTHON={sys.executable}", *command], timeout=_INSTALL_SECONDS)
    if not done.ok:
        raise ArtifactError(
            "Salt's venv could not be made",
            where=str(target),
            lines=done.tail(),
            next_step=f"remove {wheels} and run this again",
        )
    return target


@contextmanager
def _made_once(target: Path) -> Iterator[Path | None]:
    """A draft folder that becomes `target` when all went well; None when `target` is there already."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with file_lock.exclusive(target.with_name(f"{target.name}.lock")):
        if (target / "STAMP").exists():
            yield None
            return
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield draft
            shutil.rmtree(target, ignore_errors=True)
            draft.chmod(0o755)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _fetch(lock: Path, folder: Path) -> None:
    """pip with the operator's own configuration (index, mirrors, proxies); every hash is checked."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--require-hashes", "--disable-pip-version-check"]
    command += ["--requirement", str(lock), "--wheel-dir", str(folder)]
    environment = {**os.environ, "PIP_BUILD_CONSTRAINT": str(BUILD_CONSTRAINTS)}
    done = stream(command, lambda _line: None, timeout=_FETCH_SECONDS, env=environment)
    if not done.ok:
        raise ArtifactError(
            "the wheels could not be fetched",
            where=str(lock),
            lines=done.tail(),
            cause="the package index does not answer or lacks a version, or a file is not what its hash says",
            next_step="`pip config list` shows which index is asked; put it right and run this again",
        )


def _seal(folder: Path, stamp: str) -> None:
    wheels = sorted(folder.glob("*.whl"))
    sums = [f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n" for wheel in wheels]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="ascii")
    (folder / "STAMP").write_text(f"{stamp}\n", encoding="ascii")
