"""Gets the bytes of an artifact from one source into one file. The caller checks what came."""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bootstrap import engine
from bootstrap.catalogue import Entry, Source
from bootstrap.process import run

MIRROR_VARIABLE = "UTOPIA_MIRROR"
_PIECE = 1 << 20
_STALL_SECONDS = 60.0
_PIP_SECONDS = 900.0
_MAVEN = {"mvn": "maven"}
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_MAVEN_SECONDS = 1800.0
_PIP_SCRIPT = Path(__file__).with_name("pip_fetch.py")


class SourceError(Exception):
    """Why this source did not give the file; the next one is tried."""


def fetch(entry: Entry, source: Source, target: Path) -> None:
    """Write `target`. What an interrupted download left there is continued where the source allows it."""
    _FETCHERS[source.kind](entry, source.value, target)


def _url(entry: Entry, url: str, target: Path) -> None:
    have = target.stat().st_size if target.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_STALL_SECONDS) as answer:  # noqa: S310 - the catalogue is ours
            resumed = getattr(answer, "status", 200) == 206
            with target.open("ab" if resumed else "wb") as out:
                done = _copy(answer.read, out.write, entry.size, have if resumed else 0)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # the part is longer than the file: start anew
            target.unlink()
            _url(entry, url, target)
            return
        raise SourceError(f"HTTP {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise SourceError(str(getattr(error, "reason", error)) or type(error).__name__) from error
    if entry.size is not None and done < entry.size:  # what came stays, for the next attempt to continue
        raise SourceError(f"ended after {done} of {entry.size} bytes")


def _copy(read: Callable[[int], bytes], write: Callable[[bytes], int], size: int | None, done: int) -> int:
    """At most `size` bytes in all, returned: a source that sends without end must not fill the disk."""
    while piece := read(_PIECE):
        done += len(piece)
        if size is not None and done > size:
            raise SourceError(f"sends more than the {size} bytes of the catalogue")
        write(piece)
    return done


def _mirror(entry: Entry, path: str, target: Path) -> None:
    base = os.environ.get(MIRROR_VARIABLE, "")
    if not base:
        raise SourceError(f"{MIRROR_VARIABLE} is not set")
    _url(entry, f"{base.rstrip('/')}/{path}", target)


def _package_index(entry: Entry, project: str, target: Path) -> None:
    """With the first Python here that has pip; ours may come without."""
    pythons = [sys.executable, shutil.which("python3"), "/usr/bin/python3"]
    for python in dict.fromkeys(filter(None, pythons)):
        if run([python, "-c", "import pip"], timeout=20).ok:
            done = run([python, str(_PIP_SCRIPT), project, entry.file, str(target)], timeout=_PIP_SECONDS)
            if done.status == errno.ENOSPC:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
            if not done.ok:
                raise SourceError(" ".join(done.tail(2)))
            return
    raise SourceError("no Python here has pip")


def _maven(_entry: Entry, coordinates: str, target: Path) -> None:
    """With the Maven client, as it is configured: group:artifact:version:type."""
    engine.install(_MAVEN, lambda _node, _text: None, why="an artifact is in a Maven repository")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        words = [f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}"]
        done = run(["mvn", "--batch-mode", "--no-transfer-progress", _COPY, *words], timeout=_MAVEN_SECONDS)
        if not done.ok:
            errors = [line for line in done.out.splitlines() if line.startswith("[ERROR]")]
            raise SourceError(" ".join(errors[:2]) or " ".join(done.tail(2)))
        made = sorted(Path(folder).iterdir())
        if len(made) != 1:
            raise SourceError(f"gave {len(made)} files instead of one")
        made[0].replace(target)


_FETCHERS: dict[str, Callable[[Entry, str, Path], None]] = {
    "url": _url,
    "mirror": _mirror,
    "package-index": _package_index,
    "maven": _maven,
}
