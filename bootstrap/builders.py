"""What we build ourselves: which program makes it and which files of the checkout it is made from."""

from __future__ import annotations

import hashlib
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
    """`script` is run with `--output FOLDER`, and `--source FILE` per input. `programs`: what it calls."""

    script: Path
    programs: Mapping[str, str]

    def inputs(self) -> list[Path]:
        """The files that decide what comes out: the script's folder, without tests and prose."""
        folder = self.script.parent
        files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return sorted(path for path in files if "tests" not in path.parts and path.suffix != ".md")


BUILDERS: Mapping[str, Builder] = {
    "mesos": Builder(paths.CHECKOUT / "packaging" / "mesos" / "build.py", engine.BUILDING_PROGRAMS),
    "task-image": Builder(paths.CHECKOUT / "packaging" / "image" / "task" / "build.py", {"dpkg-deb": "dpkg"}),
}


def fingerprint(name: str, sources: Mapping[str, str]) -> str:
    """A hash of all inputs of a build; `sources`: artifact -> sha256."""
    digest = hashlib.sha256(repr(sorted(sources.items())).encode())
    builder = BUILDERS[name]
    for path in builder.inputs():
        digest.update(f"\0{path.relative_to(builder.script.parent)}\0".encode() + path.read_bytes())
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
