"""How machines come to exist, behind one small protocol: docker, vagrant, ssh (existing hosts)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bootstrap import paths
from bootstrap.errors import UsageError
from bootstrap.model import VAGRANT_PROVIDERS, Cluster, Machine
from bootstrap.process import Progress

NAMES = ("docker", "vagrant", "ssh")


@dataclass(frozen=True, slots=True)
class Created:
    """All machines of the environment, and per node how many things had to be done for it (0 = it was there)."""

    machines: tuple[Machine, ...]
    changes: Mapping[str, int]


class Driver(Protocol):
    """What a driver can do. All of it may be repeated: it converges."""

    def create(self, progress: Progress) -> Created:
        """Make or pick up every machine of the topology; return when sshd answers on all of them."""
        ...

    def machines(self) -> tuple[Machine, ...]:
        """The machines of the topology that exist and run now."""
        ...

    def destroy(self, node: str | None = None) -> tuple[str, ...]:
        """Remove what create() made, or one machine of it, and nothing else; the names of what went."""
        ...


def env_option(cluster: Cluster) -> str:
    """What --env takes for this environment: its name, or its file where that lies elsewhere."""
    known = cluster.path.parent == paths.PILLAR / "env" / cluster.env
    return cluster.env if known else str(cluster.path)


def vagrant_provider(cluster: Cluster) -> str:
    """Which provider Vagrant is to use: what its own variable says, else the topology."""
    asked = os.environ.get("VAGRANT_DEFAULT_PROVIDER") or cluster.driver_settings.get("provider")
    return str(asked or VAGRANT_PROVIDERS[0])


def uses_engine(cluster: Cluster) -> bool:
    """Whether the machines are containers of this machine's Docker engine."""
    return cluster.driver == "docker" or (cluster.driver == "vagrant" and vagrant_provider(cluster) == "docker")


def get(cluster: Cluster) -> Driver:
    """The driver the topology names."""
    if cluster.driver == "docker":
        from bootstrap.drivers.docker import DockerDriver

        return DockerDriver(cluster)
    if cluster.driver == "vagrant":
        from bootstrap.drivers import vagrant

        return vagrant.get(cluster)
    if cluster.driver == "ssh":
        from bootstrap.drivers.ssh import SshDriver

        return SshDriver(cluster)
    raise UsageError(
        f"there is no driver {cluster.driver!r}",
        where=str(cluster.path),
        next_step=f"set driver.name to one of: {', '.join(NAMES)}",
    )
