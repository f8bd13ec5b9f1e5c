"""The official file: the Mesos 1.11.0 library inside the native scheduler binding for Python 2.7."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path

from .errors import BuildError

ARCHIVE_SHA256 = "1d376f20bca6d05ee8b90c1c123a452b28753497ccc2f1c80ea3ac94c12e8f6e"
MEMBER = "./usr/local/lib/python2.7/dist-packages/mesos/scheduler/_scheduler.so"
LIBRARY_SHA256 = "84d7ee9af27e912636b139de40257df1ee4f56c201de6bba834278aa1e8fd64c"


def extract_library(archive: Path, target: Path) -> None:
    """Write the library to `target`, after the archive and before the library are found to be the right ones."""
    try:
        _check(archive, ARCHIVE_SHA256, "the official archive of Mesos 1.11.0")
        with tarfile.open(archive) as files:
            member = files.extractfile(MEMBER)
            if member is None:
                raise BuildError(f"{archive}: {MEMBER} is no file")
            with member, target.open("wb") as out:
                shutil.copyfileobj(member, out, 1 << 20)
    except OSError as error:
        raise BuildError(f"{archive}: {error.strerror or error}") from error
    _check(target, LIBRARY_SHA256, "the library in the official archive")


def _check(path: Path, expected: str, what: str) -> None:
    with path.open("rb") as content:
        actual = hashlib.file_digest(content, "sha256").hexdigest()
    if actual != expected:
        raise BuildError(f"{path} is not {what}:\n  expected sha256 {expected}\n  found           {actual}")
