"""The network of a Docker environment: fixed addresses, one bridge, our label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from bootstrap.drivers import env_option
from bootstrap.drivers.docker_cli import ENV_LABEL, attempt, docker, inspect, labelled
from bootstrap.drivers.docker_machine import network_name
from bootstrap.errors import MachinesError
from bootstrap.model import Cluster
from bootstrap.process import Progress


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the engine. `env` is empty for one that is not ours."""

    name: str
    env: str
    subnets: tuple[IPv4Network, ...]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Network:
        """From an object of `docker network inspect`."""
        configured = (entry.get("Subnet", "") for entry in facts["IPAM"].get("Config") or ())
        subnets = tuple(IPv4Network(text) for text in configured if text and ":" not in text)
        return cls(facts["Name"], (facts.get("Labels") or {}).get(ENV_LABEL, ""), subnets)


def ensure(cluster: Cluster, progress: Progress) -> None:
    """The environment's network exists with exactly the topology's subnet."""
    networks = [Network.of(facts) for facts in inspect("network", docker("network", "ls", "--quiet").split())]
    if needs_making(cluster, networks):
        name = network_name(cluster.env)
        gateway = gateway_for(cluster.network, [node.address for node in cluster.nodes])
        progress("", f"network {name} {cluster.network}")
        docker(
            "network",
            "create",
            f"--label={ENV_LABEL}={cluster.env}",
            f"--subnet={cluster.network}",
            f"--gateway={gateway}",
            name,
            where=name,
        )


def needs_making(cluster: Cluster, networks: Iterable[Network]) -> bool:
    """False when it is there as wanted; MachinesError when something stands in its way."""
    for network in networks:
        if network.name == network_name(cluster.env):
            _check_own(cluster, network)
            return False
        if any(subnet.overlaps(cluster.network) for subnet in network.subnets):
            raise MachinesError(
                f"the addresses {cluster.network} are taken by the Docker network {network.name}"
                f" ({', '.join(map(str, network.subnets))})",
                where=str(cluster.path),
                next_step=f"give `network` and the nodes other addresses in {cluster.path}, or remove that network",
            )
    return True


def _check_own(cluster: Cluster, network: Network) -> None:
    if network.env != cluster.env:
        raise MachinesError(
            f"a Docker network named {network.name} exists and is not ours",
            cause="it lacks the label of this environment, so it is never touched",
            next_step="remove it, or choose another name for the environment",
        )
    if network.subnets != (cluster.network,):
        raise MachinesError(
            f"the Docker network {network.name} has {', '.join(map(str, network.subnets))},"
            f" the topology says {cluster.network}",
            where=str(cluster.path),
            cause="`network` was changed after the environment was made",
            next_step=f"put the old value back, or `bootstrap destroy --env {env_option(cluster)}` and start anew",
        )


def gateway_for(network: IPv4Network, taken: Iterable[IPv4Address]) -> IPv4Address:
    """The bridge's own address: the first that no node has."""
    nodes = set(taken)
    return next(address for address in network.hosts() if address not in nodes)


def remove(env: str) -> list[str]:
    """Remove our network; its name, or nothing when there was none."""
    removed = []
    for identity in labelled("network", {ENV_LABEL: env}):
        done = attempt("network", "rm", identity)
        if not done.ok and "not found" not in done.err.lower():
            raise MachinesError(
                "the network could not be removed",
                where=network_name(env),
                lines=done.tail(),
                cause="something that is not ours is still connected to it",
                next_step=f"`docker network inspect {network_name(env)}` names it; disconnect it, then run this again",
            )
        removed.append(network_name(env))
    return removed
