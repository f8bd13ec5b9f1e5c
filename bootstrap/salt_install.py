"""Salt itself on a node that lacks it: the wheelhouse over SSH, installed without any network."""

from __future__ import annotations

import io
import tarfile
import threading

from bootstrap import wheelhouse
from bootstrap.errors import SaltError
from bootstrap.hosts import Hosts
from bootstrap.process import Progress

VENV = "/opt/saltstack/salt"
NEEDED = 77  # exit status of CHECK
_SECONDS = 900
_FOLDER = "/var/cache/utopia/wheelhouse"
_INSTALL = f"""\
set -eu
umask 022
command -v python3 >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3
rm -rf {_FOLDER}
mkdir -p {_FOLDER}
trap 'rm -rf {_FOLDER}' EXIT
tar --extract --no-same-owner --directory={_FOLDER} --file=-
sh {_FOLDER}/install.sh {_FOLDER} {VENV}
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
        self._archive: bytes | None = None

    def install(self, node: str) -> None:
        """Install the pinned Salt, which takes some 20 s. Raises SaltError."""
        with self._lock:
            if self._archive is None:
                self._archive = self._pack()
        self._progress(node, "installing Salt")
        result = self._hosts.run(node, _INSTALL, sudo=True, stdin=self._archive, timeout=_SECONDS)
        if not result.ok:
            raise SaltError(
                f"Salt could not be installed on {node}",
                where=f"{node}:{VENV}",
                lines=result.tail(),
                cause="the node's Python is not Debian 12's, or its disk is full",
                next_step="put right what the lines say, then run the same command again",
            )

    def _pack(self) -> bytes:
        folder = wheelhouse.ensure(self._progress)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, path.name)
            archive.add(wheelhouse.INSTALLER, "install.sh")
        return buffer.getvalue()
