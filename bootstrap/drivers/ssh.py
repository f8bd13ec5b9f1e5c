"""Existing machines: nothing is made or removed, they are only reached.

Host keys come from the operator's known_hosts, because a machine we did not make cannot be trusted
on first sight. Keys of machines that were confirmed by fingerprint are in the environment's own file.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from pathlib import Path

from bootstrap import paths
from bootstrap.drivers import Created
from bootstrap.errors import HostKeyError
from bootstrap.model import Cluster, Machine, Node
from bootstrap.process import Progress

_SSH_PORT = 22
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


class SshDriver:
    """Driver `ssh`: address from the topology, `port` and `user` from `driver`."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.port = int(cluster.driver_settings.get("port") or _SSH_PORT)
        self.user = str(cluster.driver_settings.get("user") or "root")

    def create(self, progress: Progress) -> Created:
        """Makes nothing; fails when a machine's host key is not known."""
        machines = self.machines()
        unknown = [machine for machine in machines if not machine.host_keys]
        if unknown:
            first = unknown[0]
            raise HostKeyError(
                f"the host keys of {len(unknown)} machines are not known",
                where=", ".join(machine.node for machine in unknown[:10]) + (" ..." if len(unknown) > 10 else ""),
                cause="keys of machines that we did not make are never accepted on first sight",
                next_step=f"`ssh -p {first.port} {self.user}@{first.address}` once each, comparing fingerprints",
            )
        progress("", f"{len(machines)} existing machines")
        return Created(machines, {machine.node: 0 for machine in machines})

    def machines(self) -> tuple[Machine, ...]:
        """All nodes of the topology: whether they run is found out over SSH."""
        files = [Path(name).expanduser() for name in _KNOWN_HOSTS]
        files.append(paths.state_dir(self.cluster.env) / "ssh" / "known_hosts")
        known = KnownHosts(files)
        return tuple(
            Machine(node.name, str(node.address), self.port, self.user, known.keys(self._names(node), self.port))
            for node in self.cluster.nodes
        )

    def destroy(self, node: str | None = None) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Machines we did not make are not ours to remove."""
        return ()

    def _names(self, node: Node) -> tuple[str, ...]:
        return (str(node.address), node.name, f"{node.name}.{self.cluster.domain}")


class KnownHosts:
    """known_hosts files, read once: plain names by dictionary, hashed ones by trying."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._plain: dict[str, list[str]] = {}
        self._hashed: list[tuple[bytes, bytes, str]] = []
        for file in files:
            if file.is_file():
                for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                    self._add(line.split())

    def keys(self, names: Sequence[str], port: int) -> tuple[str, ...]:
        """Key fields of the first of `names` that is known."""
        for name in names:
            host = name if port == _SSH_PORT else f"[{name}]:{port}"
            keys = self._plain.get(host, []) + [
                key for salt, digest, key in self._hashed if hmac.digest(salt, host.encode(), "sha1") == digest
            ]
            if keys:
                return tuple(dict.fromkeys(keys))
        return ()

    def _add(self, fields: list[str]) -> None:
        """Comments, patterns, revoked keys and certificate authorities are not host keys of one machine."""
        if len(fields) < 3 or fields[0].startswith(("#", "@")):
            return
        key = " ".join(fields[1:3])
        if fields[0].startswith("|1|"):
            salt, digest = fields[0].split("|")[2:4]
            self._hashed.append((base64.b64decode(salt), base64.b64decode(digest), key))
            return
        for name in fields[0].split(","):
            self._plain.setdefault(name, []).append(key)
