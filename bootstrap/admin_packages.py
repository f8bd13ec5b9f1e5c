"""The package repository of a closed network on the admin node: sent there whole, before any node needs a package."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bootstrap import mirror
from bootstrap.errors import ArtifactError, SaltError
from bootstrap.hosts import Hosts
from bootstrap.model import ADMIN_ROLE, Cluster
from bootstrap.process import Progress

FOLDER = "/srv/utopia/apt"
_SECONDS = 900
_UNPACK = f"""\
set -eu
umask 022
rm -rf {FOLDER}.new
mkdir -p {FOLDER}.new
tar --extract --no-same-owner --directory={FOLDER}.new --file=-
rm -rf {FOLDER}.old
if [ -e {FOLDER} ]; then mv {FOLDER} {FOLDER}.old; fi
mv {FOLDER}.new {FOLDER}
rm -rf {FOLDER}.old
"""


@dataclass(frozen=True, slots=True)
class Repository:
    """What was imported. `release`: checksum of its Release file, which names the checksums of all others."""

    folder: Path
    release: str
    key: str
    host: str

    def as_pillar(self, url: str) -> dict[str, str]:
        """What the states look up under `packages`."""
        return {
            "key": self.key,
            "release": self.release,
            "url": f"{url}/apt/",
            "folder": FOLDER,
            "host": self.host,
        }

    def put(self, hosts: Hosts, admin: str, progress: Progress) -> int:
        """Send it where the admin node has another one; the number of changes. Raises SaltError."""
        there = hosts.run(admin, f"sha256sum {FOLDER}/Release 2>/dev/null || true", sudo=True)
        if there.out.split(" ")[0] == self.release:
            return 0
        progress(admin, "sending the packages")
        with tempfile.TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w") as writer:
                writer.add(self.folder, ".")
            archive.seek(0)
            done = hosts.run(admin, _UNPACK, sudo=True, stdin=archive, timeout=_SECONDS)
        if not done.ok:
            raise SaltError(
                "the packages could not be put on the admin node",
                where=f"{admin}:{FOLDER}",
                lines=done.tail(),
                cause="its disk is full",
                next_step="put right what the lines say, then run the same command again",
            )
        return 1


def find(cluster: Cluster) -> Repository:
    """What `bootstrap artifacts import` took over for this environment. Raises ArtifactError where that is nothing."""
    folder = mirror.repository(cluster.env)
    try:
        release = (folder / "Release").read_bytes()
        key = (folder / "key.asc").read_text(encoding="ascii")
    except OSError as error:
        raise ArtifactError(
            f"no packages were imported for environment {cluster.env}",
            where=str(folder),
            cause="settings.base.apt_from_admin is true: the nodes take their packages from the admin node alone",
            next_step=f"bootstrap artifacts import --env {cluster.env} DIR|TAR, with what `bootstrap artifacts mirror`"
            " made where the packages can be had",
        ) from error
    admin = str(cluster.with_role(ADMIN_ROLE)[0].address)
    return Repository(folder, hashlib.sha256(release).hexdigest(), key, admin)
