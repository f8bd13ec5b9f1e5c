"""The store of artifacts: fetched or built once, kept under their checksum, given out only when it holds.

cache/store/sha256/<hex>         the files
cache/store/partial/<hex>        downloads under way; continued by the next attempt
cache/store/built/<name>-<key>   checksum of what a build with these inputs made
"""

from __future__ import annotations

import datetime
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bootstrap import builders, catalogue, fetching, file_lock, paths
from bootstrap.catalogue import Entry, Source
from bootstrap.errors import ArtifactError, DiskFullError
from bootstrap.process import Progress

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that is there and is what its checksum says. `size` in bytes."""

    name: str
    version: str
    file: str
    sha256: str
    size: int
    licence: str
    end_of_life: datetime.date | None
    path: Path
    image: str | None = None

    def as_pillar(self) -> dict[str, str]:
        """What the states look up under artifacts:files:<name>."""
        row = {"file": self.file, "sha256": self.sha256, "version": self.version}
        return row | ({"image": self.image} if self.image else {})


def ensure(names: Iterable[str], progress: Progress, versions: Mapping[str, str] | None = None) -> dict[str, Artifact]:
    """The named artifacts in the releases that `versions` chooses, fetched or built if they are missing."""
    entries = catalogue.chosen(catalogue.load(), versions or {})
    return Store(entries=entries).ensure(list(names), progress)


class Store:
    """The store under the cache folder. Processes may use it at the same time."""

    def __init__(self, folder: Path | None = None, entries: Mapping[str, Entry] | None = None) -> None:
        self.folder = folder or paths.cache_dir() / "store"
        self.entries = catalogue.load() if entries is None else entries

    def ensure(self, names: list[str], progress: Progress) -> dict[str, Artifact]:
        """All of `names`, whole and checked."""
        return {entry.name: self._one(entry, progress) for entry in catalogue.pick(self.entries, names)}

    def find(self, name: str) -> Artifact | None:
        """The artifact when it is in the store already, whatever its content (see verify)."""
        entry = self.entries[name]
        sha256 = entry.sha256 or self._built(entry)
        path = self._path(sha256) if sha256 else None
        return _artifact(entry, sha256, path) if sha256 and path and path.is_file() else None

    def made_from(self, name: str) -> str:
        """A hash of what a build of ours is made from today; "" for what is fetched."""
        entry = self.entries[name]
        sources = [source for source in entry.sources if source.kind == "build"]
        return self._inputs_key(sources[0]) if sources else ""

    def adopt(self, name: str, file: Path, sha256: str, made_from: str) -> bool:
        """Take over a file that was had elsewhere, and checked; False where this checkout knows no such release."""
        entry = self.entries.get(name)
        if entry is None or (made_from and made_from != self.made_from(name)):
            return False
        known = {release.sha256 for release in (entry, *entry.releases.values())}
        if None not in known and sha256 not in known:
            return False
        draft = self._folder("partial") / f"{sha256}.{os.getpid()}"
        shutil.copyfile(file, draft)
        self._keep(draft, sha256)
        if made_from:
            _write(self._folder("built") / f"{name}-{made_from}", f"{sha256}\n".encode())
        return True

    def verify(self, name: str) -> str:
        """ "ok", "missing" or "damaged"; reads the whole file."""
        found = self.find(name)
        if found is None:
            return "missing"
        return "ok" if file_sha256(found.path) == found.sha256 else "damaged"

    def _one(self, entry: Entry, progress: Progress) -> Artifact:
        with _disk_full_told(self.folder), file_lock.exclusive(self.folder / "lock" / entry.name):
            if self.verify(entry.name) != "ok":
                self._obtain(entry, progress)
            found = self.find(entry.name)
        if found is None:
            raise ArtifactError(
                f"{entry.name} went while it was made", where=str(self.folder), next_step="run it again"
            )
        return found

    def _obtain(self, entry: Entry, progress: Progress) -> None:
        """From the first source that gives the right bytes."""
        if entry.sha256 == "":
            raise _unknown_sum(entry)
        tried = []
        for source in entry.sources:
            try:
                if source.kind == "build":
                    self._build(entry, source, progress)
                else:
                    self._fetch(entry, source, progress)
            except fetching.SourceError as error:
                tried.append(f"{source}: {error}")
                continue
            return
        raise ArtifactError(
            f"{entry.name} {entry.version} could not be had from any of its {len(entry.sources)} sources",
            where=entry.file,
            lines=tried,
            cause="the source is gone or not reachable from here, or it gives another file than the one we know",
            next_step=f"get the file elsewhere and put it below a mirror of yours, named by {fetching.MIRROR_VARIABLE}",
        )

    def _fetch(self, entry: Entry, source: Source, progress: Progress) -> None:
        assert entry.sha256  # noqa: S101 - the catalogue's checks and _obtain
        self._room_for(entry)
        partial = self._folder("partial") / entry.sha256
        progress("", f"fetching {entry.file} ({source})")
        resumed = partial.exists()
        fetching.fetch(entry, source, partial)
        found = file_sha256(partial)
        if found != entry.sha256 and resumed:  # what an earlier attempt left was not the beginning of this file
            partial.unlink()
            fetching.fetch(entry, source, partial)
            found = file_sha256(partial)
        if found != entry.sha256:
            size = partial.stat().st_size
            partial.unlink()
            raise fetching.SourceError(f"checksum {found} ({size} bytes) is not {entry.sha256}")
        self._keep(partial, entry.sha256)

    def _build(self, entry: Entry, source: Source, progress: Progress) -> None:
        inputs = self.ensure(list(source.inputs), progress)
        progress("", f"building {entry.file}")
        with tempfile.TemporaryDirectory(dir=self._folder("partial")) as scratch:
            made = builders.build(source.value, {n: a.path for n, a in inputs.items()}, Path(scratch), progress)
            if made.name != entry.file:
                raise fetching.SourceError(f"made {made.name} and not {entry.file}")
            sha256 = file_sha256(made)
            if entry.sha256 is not None and sha256 != entry.sha256:
                raise fetching.SourceError(f"checksum {sha256} is not {entry.sha256}")
            self._keep(made, sha256)
        index = self._folder("built") / f"{entry.name}-{self._inputs_key(source)}"
        _write(index, f"{sha256}\n".encode())

    def _built(self, entry: Entry) -> str:
        """The checksum of what a build with today's inputs made earlier, or ""."""
        for source in entry.sources:
            if source.kind == "build":
                index = self.folder / "built" / f"{entry.name}-{self._inputs_key(source)}"
                if index.is_file():
                    return index.read_text(encoding="ascii").strip()
        return ""

    def _inputs_key(self, source: Source) -> str:
        sums = {name: self.entries[name].sha256 or self._built(self.entries[name]) for name in source.inputs}
        return builders.fingerprint(source.value, sums)

    def _keep(self, file: Path, sha256: str) -> None:
        """Under its checksum, at once and whole; never a half file under a final name."""
        with file.open("rb") as content:
            os.fsync(content.fileno())
        file.chmod(0o644)
        target = self._path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)

    def _room_for(self, entry: Entry) -> None:
        free = shutil.disk_usage(self._folder("partial")).free
        if entry.size is not None and free < entry.size:
            raise OSError(errno.ENOSPC, f"{entry.file} needs {entry.size} bytes, {free} are free")

    def _path(self, sha256: str) -> Path:
        return self.folder / "sha256" / sha256

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def file_sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unknown_sum(entry: Entry) -> ArtifactError:
    """Names what to put where: for a file that no public place offers any more, that is the operator's part."""
    mirrored = [source.value for source in entry.sources if source.kind == "mirror"]
    lines = [f"put {entry.file} at {path} below the mirror that {fetching.MIRROR_VARIABLE} names" for path in mirrored]
    lines.append(f"check it against its publisher's own sum, then fill in artifacts.{entry.name}.sha256")
    return ArtifactError(
        f"the checksum of {entry.name} {entry.version} is not filled in",
        where=str(catalogue.FILE),
        lines=lines,
        cause="nothing is fetched without a checksum, and this file is for its operator to get and to check",
        next_step=f"set artifacts.{entry.name}.sha256 as above, then: bootstrap artifacts fetch {entry.name}; "
        "or choose another provider of its role",
    )


@contextmanager
def _disk_full_told(folder: Path) -> Iterator[None]:
    """A full disk is an operator's matter; every other OSError is a defect."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            "there is no room for an artifact",
            where=str(folder),
            lines=[str(error)],
            cause="the disk or the quota of the cache folder is used up",
            next_step="make room, or set UTOPIA_CACHE_DIR to a folder on a larger disk; then run this again",
        ) from error


def _artifact(entry: Entry, sha256: str, path: Path) -> Artifact:
    size = path.stat().st_size
    return Artifact(
        entry.name, entry.version, entry.file, sha256, size, entry.licence, entry.end_of_life, path, entry.image
    )


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
