"""Tar archives that come out the same from the same files: no times, no owners, fixed order."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def write(target: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    """`files`: path inside -> content and mode."""
    with tarfile.open(target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
