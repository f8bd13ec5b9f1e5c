"""Existing machines: nothing is made or removed, they are only reached, and found to let us become root."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bootstrap import host_keys, paths, terminal
from bootstrap.drivers import Created, ssh_access, ssh_operator_config
from bootstrap.errors import OperatorError, UnreachableError, UsageError
from bootstrap.model import Cluster, Machine
from bootstrap.process import Progress

_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


class SshDriver:
    """Driver `ssh`: the topology says how each node is reached (drivers/ssh_access.py)."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def create(self, progress: Progress) -> Created:
        """Makes nothing. Fails when a host key is not known, a host does not let us in, or sudo does not."""
        from bootstrap.hosts import Hosts

        wanted = self._reached()
        _refuse_missing_keys(wanted)
        vouched = self._vouched()
        with Hosts(self.cluster.env, map(vouched.known, wanted)) as hosts:
            machines = host_keys.settle(
                wanted, vouched, offer=hosts.connections.offered_keys, confirm=terminal.confirmed, progress=progress
            )
        with Hosts(self.cluster.env, machines) as hosts:
            outcomes = hosts.each(hosts.nodes, hosts.become_root)
        _refuse([outcome for outcome in outcomes.values() if isinstance(outcome, OperatorError)])
        progress("", f"{len(machines)} existing machines")
        return Created(machines, {machine.node: 0 for machine in machines})

    def machines(self) -> tuple[Machine, ...]:
        """All nodes of the topology, with the host keys that are known: whether they run is found out over SSH."""
        vouched = self._vouched()
        return tuple(vouched.known(machine) for machine in self._reached())

    def destroy(self, node: str | None = None) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Machines we did not make are not ours to remove."""
        return ()

    def _reached(self) -> tuple[Machine, ...]:
        named = self.cluster.driver_settings.get("ssh_config")
        file = self.cluster.path.parent / Path(str(named)).expanduser() if named else None
        names = [node.name for node in self.cluster.nodes]
        return ssh_access.machines(self.cluster, ssh_operator_config.reader(file, names))

    def _vouched(self) -> host_keys.Vouched:
        """The environment's own file comes first: it has what was confirmed for just these hosts."""
        named = self.cluster.driver_settings.get("known_hosts") or _KNOWN_HOSTS
        files = [self.cluster.path.parent / Path(name).expanduser() for name in named]
        files.insert(0, paths.state_path(self.cluster.env) / "ssh" / "known_hosts")
        return host_keys.Vouched(ssh_access.given_keys(self.cluster), host_keys.KnownHosts(files), self.cluster.domain)


def _refuse_missing_keys(machines: Sequence[Machine]) -> None:
    hops = [hop for machine in machines for hop in machine.way]
    for machine in (*hops, *machines):
        if machine.key and not Path(machine.key).is_file():
            raise UsageError(
                f"the private key for {machine.node} is not there",
                where=machine.key,
                next_step="correct `key` in the topology (or IdentityFile in your ssh_config); without one the agent"
                " and the usual keys of ~/.ssh are tried",
            )


def _refuse(failures: Sequence[OperatorError]) -> None:
    """One error for all hosts; those that fail for the same reason are told together."""
    if not failures:
        return
    first = failures[0]
    if len(failures) == 1:
        raise first
    raise (type(first) if len({type(each) for each in failures}) == 1 else UnreachableError)(
        f"{len(failures)} hosts cannot be used",
        where=f"first: {first.where}",
        lines=[f"{each.what}: {' '.join(each.lines)} ({each.where})" for each in failures],
        cause=first.cause,
        next_step=first.next_step,
    )
