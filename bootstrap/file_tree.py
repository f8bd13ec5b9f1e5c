"""Files on their way to a host: one tar archive over stdin, each file put in place by a rename.

Content travels in the archive only, so a secret is in no argument list, and is 0600 from its first byte.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping

_SUFFIX = ".utopia-new"
_PATH = re.compile(r"(/[A-Za-z0-9@_+][A-Za-z0-9@._+-]*|/\.[a-z][A-Za-z0-9._-]*)+/?")

# Reads the archive, then renames: a file is the old one or the new one, never half of one.
# The times are not kept: Salt's file server takes a file with the old time for an unchanged one.
UNPACK = f"""\
umask 022
names=$(tar --extract --verbose --preserve-permissions --no-same-owner --touch --directory=/ --file=-)
for name in $names; do
  case $name in *{_SUFFIX}) mv -fT -- "/$name" "/${{name%{_SUFFIX}}}" ;; esac
done
"""


def pack(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """An archive for UNPACK. Keys are absolute paths; one that ends in "/" is a folder and its mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, (content, mode) in sorted(files.items()):
            if not _PATH.fullmatch(path):
                raise ValueError(f"a file for a host needs a plain absolute path, not '{path}'")
            if path.endswith("/"):
                member = tarfile.TarInfo(path.strip("/"))
                member.type = tarfile.DIRTYPE
            else:
                member = tarfile.TarInfo(path.strip("/") + _SUFFIX)
                member.size = len(content)
            member.mode = mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
