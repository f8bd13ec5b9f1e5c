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

# Reads the archive, then renames: a file is the old one or the new one, never half of one. What is as it
# should be stays; the others are printed as "changed PATH" and collected in $changed.
# The times are not kept: Salt's file server takes a file with the old time for an unchanged one.
UNPACK = f"""\
umask 022
changed=
names=$(tar --extract --verbose --preserve-permissions --no-same-owner --touch --directory=/ --file=-)
for name in $names; do
  case $name in *{_SUFFIX}) ;; *) continue ;; esac
  new=/$name old=/${{name%{_SUFFIX}}}
  if [ -f "$old" ] && cmp -s -- "$new" "$old" && [ "$(stat -c %a -- "$new")" = "$(stat -c %a -- "$old")" ]; then
    rm -f -- "$new"
  else
    mv -fT -- "$new" "$old"
    changed="$changed $old"
    echo "changed $old"
  fi
done
"""


def changed_of(output: str) -> list[str]:
    """The paths that UNPACK said it changed."""
    return [line.removeprefix("changed ") for line in output.splitlines() if line.startswith("changed /")]


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
