"""The files that the last verified run was made from: a run from the same ones most likely changes nothing either.

So its checks may begin while it is still being found out whether that is so. No more than that hangs on this.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from bootstrap import paths, salt_files
from bootstrap.model import Cluster

_FILE = "verified"


def remember(cluster: Cluster) -> None:
    """All checks have passed on nodes made from today's files."""
    file = _file(cluster)
    draft = file.with_suffix(".new")
    draft.write_text(_digest(cluster), encoding="ascii")
    draft.replace(file)


def forget(cluster: Cluster) -> None:
    """A check has failed."""
    _file(cluster).unlink(missing_ok=True)


def is_as_now(cluster: Cluster) -> bool:
    """Whether the last run was verified, and was made from these files."""
    with contextlib.suppress(OSError):
        return _file(cluster).read_text(encoding="ascii") == _digest(cluster)
    return False


def _file(cluster: Cluster) -> Path:
    return paths.state_dir(cluster.env) / _FILE


def _digest(cluster: Cluster) -> str:
    total = hashlib.sha256()
    for path in (cluster.path, *sorted(paths.PILLAR.glob("*.yaml"))):
        total.update(path.read_bytes())
    for name, digest in sorted(salt_files.state_sums(paths.SALT).items()):
        total.update(f"{name} {digest}\n".encode())
    return total.hexdigest()
