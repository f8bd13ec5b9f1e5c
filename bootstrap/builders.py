"""What we build ourselves: which program makes it and which files of the checkout it is made from."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap import engine, paths
from bootstrap.errors import ArtifactError, DiskFullError
from bootstrap.process import Progress, run

_BUILD_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Builder:
    """`script` is run with `--output FOLDER`, and `--source FILE` per input. `programs`: what it calls.

    `parts`: files and folders that it reads; by default the script's own folder.
    """

    script: Path
    programs: Mapping[str, str]
    parts: tuple[Path, ...] = ()

    def inputs(self) -> list[Path]:
        """The files that decide what comes out, without tests, prose and what begins with a dot."""
        parts = self.parts or (self.script.parent,)
        return sorted(path for part in parts for path in (source_files(part) if part.is_dir() else [part]))


def source_files(folder: Path) -> list[Path]:
    """The files below `folder` that something can be built from, sorted."""

    def ours(path: Path) -> bool:
        names = path.relative_to(folder).parts
        strange = {"__pycache__", "tests"} & set(names) or any(name.startswith(".") for name in names)
        return path.is_file() and not strange and path.suffix != ".md"

    return sorted(path for path in folder.rglob("*") if ours(path))


_SERVICES = paths.CHECKOUT / "packaging" / "services"
BUILDERS: Mapping[str, Builder] = {
    "mesos": Builder(paths.CHECKOUT / "packaging" / "mesos" / "build.py", engine.BUILDING_PROGRAMS),
    "task-image": Builder(paths.CHECKOUT / "packaging" / "image" / "task" / "build.py", {"dpkg-deb": "dpkg"}),
    "open-files": Builder(paths.CHECKOUT / "packaging" / "open-files" / "build.py", {"gcc": "gcc"}),
    "service-wheels": Builder(
        _SERVICES / "wheels.py",
        {},
        (
            _SERVICES / "wheels.py",
            _SERVICES / "archive.py",
            _SERVICES / "requirements.lock",
            paths.CHECKOUT / "packaging" / "salt" / "install.sh",
        ),
    ),
    "services": Builder(
        _SERVICES / "release.py",
        {},
        (_SERVICES / "release.py", _SERVICES / "archive.py", paths.CHECKOUT / "services"),
    ),
}


def fingerprint(name: str, sources: Mapping[str, str]) -> str:
    """A hash of all inputs of a build; `sources`: artifact -> sha256."""
    digest = hashlib.sha256(repr(sorted(sources.items())).encode())
    builder = BUILDERS[name]
    for path in builder.inputs():
        name = os.path.relpath(path, builder.script.parent)
        digest.update(f"\0{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def build(name: str, sources: Mapping[str, Path], folder: Path, progress: Progress) -> Path:
    """Run the builder; the file it made inside `folder`."""
    builder = BUILDERS[name]
    engine.install(builder.programs, progress, why=f"{name} is built with it")
    words = [f"--source={path}" for path in sources.values()]
    done = run([sys.executable, str(builder.script), *words, f"--output={folder}"], timeout=_BUILD_SECONDS)
    made = sorted(path for path in folder.iterdir() if path.is_file())
    if not done.ok and "No space left on device" in done.err:
        raise DiskFullError(
            f"no space left while building {name}",
            where=str(folder),
            cause="the file system of the cache folder is full",
            next_step="make room, or move the cache with UTOPIA_CACHE_DIR, then run the same command again",
        )
    if not done.ok or len(made) != 1:
        raise ArtifactError(
            f"{name} could not be built",
            where=str(builder.script),
            lines=done.tail(20),
            cause="the lines above are the end of the build's output",
            next_step=f"run {builder.script} by hand to see all of it",
        )
    return made[0]
