"""Salt itself on a node that lacks it: a venv made and compiled here once, unpacked there without any network."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import threading
from pathlib import Path

from bootstrap import file_lock, wheelhouse
from bootstrap.errors import SaltError
from bootstrap.hosts import Hosts
from bootstrap.process import Progress

VENV = "/opt/saltstack/salt"
NEEDED = 77  # exit status of CHECK
_SECONDS = 900
_PROGRAMS = "salt"  # what the names of the programs that nodes are given begin with
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"  # bytecode and compiled wheels are for this one
# A venv is made in place, for it names its own path; the old one stays beside it until the new one has proven to work.
_INSTALL = f"""\
set -eu
umask 022
command -v python3 >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3
old={VENV}.old
mkdir -p "$(dirname {VENV})"
if [ -e {VENV}/.stamp ]; then rm -rf "$old"; mv {VENV} "$old"; fi
trap 'rm -rf {VENV}; if [ -e "$old" ]; then mv "$old" {VENV}; fi' EXIT
trap 'exit 1' INT TERM HUP
rm -rf {VENV}
python3 -m venv --without-pip {VENV}
[ -d {VENV}/lib/{_PYTHON} ] || {{ echo "{_PYTHON} is needed, found $(python3 --version)" >&2; exit 1; }}
tar --extract --gzip --no-same-owner --directory={VENV} --file=-
{VENV}/bin/python -c 'import salt.client'
mv {VENV}/stamp {VENV}/.stamp
trap - EXIT
rm -rf "$old"
"""


def check() -> str:
    """A line of shell that ends a script with NEEDED on a node without the pinned Salt."""
    return f'[ "$(cat {VENV}/.stamp 2>/dev/null || true)" = {wheelhouse.key()} ] || exit {NEEDED}'


class Installer:
    """Makes the archive once, when the first node needs it."""

    def __init__(self, hosts: Hosts, progress: Progress) -> None:
        self._hosts = hosts
        self._progress = progress
        self._lock = threading.Lock()

    def install(self, node: str) -> None:
        """Install the pinned Salt, which takes a few seconds. Raises SaltError."""
        with self._lock:
            archive = self._archive()
        self._progress(node, "installing Salt")
        with archive.open("rb") as content:
            result = self._hosts.run(node, _INSTALL, sudo=True, stdin=content, timeout=_SECONDS)
        if not result.ok:
            raise SaltError(
                f"Salt could not be installed on {node}",
                where=f"{node}:{VENV}",
                lines=result.tail(),
                cause="the node's Python is not Debian 12's, or its disk is full",
                next_step="put right what the lines say, then run the same command again",
            )

    def _archive(self) -> Path:
        venv = wheelhouse.ensure_venv(self._progress)
        target = venv.with_name(f"{venv.name}.tar.gz")
        with file_lock.exclusive(venv.with_name(f"{target.name}.lock")):
            if not target.exists():
                self._progress("", "packing Salt for the nodes")
                draft = target.with_name(f".{target.name}.{os.getpid()}")
                pack(venv, draft)
                draft.replace(target)
        return target


def pack(venv: Path, target: Path) -> None:
    """The installed packages with their bytecode, Salt's programs as they are called on a node, and the stamp."""
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        archive.add(venv / "lib", "lib", filter=_anonymous)
        for program in sorted((venv / "bin").glob(f"{_PROGRAMS}*")):
            _add(archive, f"bin/{program.name}", program.read_bytes().replace(bytes(venv), VENV.encode()), 0o755)
        _add(archive, "stamp", (venv / ".stamp").read_bytes(), 0o644)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))
