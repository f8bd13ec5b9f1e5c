"""What the Vagrantfile is told: everything derived from the topology, so that Ruby only looks it up. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bootstrap.drivers import env_option, vagrant_provider
from bootstrap.drivers.docker_machine import container_name, create_arguments
from bootstrap.errors import UsageError
from bootstrap.model import VAGRANT_PROVIDERS, Cluster

BOX = "debian/bookworm64"
NO_IMAGE = "utopia-machine:not-baked"  # for commands of Vagrant that make no machine
MEMORY_MIB, CPUS = 2048, 2  # of a virtual machine where nobody says; a container has no bound of its own then
_SIZES = {"memory": "UTOPIA_VAGRANT_MEMORY", "cpus": "UTOPIA_VAGRANT_CPUS"}
_BOOT = (
    'umask 077; mkdir -p /root/.ssh; printf "%s\\n" "$1" >/root/.ssh/authorized_keys; umask 022;'
    " exec /lib/systemd/systemd"
)


def make(
    cluster: Cluster, environment: Mapping[str, str], *, key: Path, public_key: str, image: str, cgroup_v2: bool
) -> dict[str, Any]:
    """The document. `environment`: where UTOPIA_VAGRANT_MEMORY (MiB) and UTOPIA_VAGRANT_CPUS override the topology."""
    provider = vagrant_provider(cluster)
    if provider not in VAGRANT_PROVIDERS:
        raise UsageError(
            f"VAGRANT_DEFAULT_PROVIDER is {provider!r}", next_step=f"choose from: {', '.join(VAGRANT_PROVIDERS)}"
        )
    memory, cpus = (_size(cluster, environment, name) for name in _SIZES)
    sizes = [*([f"--memory={memory}m"] if memory else []), *([f"--cpus={cpus}"] if cpus else [])]
    return {
        "env": cluster.env,
        "spec": env_option(cluster),
        "provider": provider,
        "box": cluster.driver_settings.get("box") or BOX,
        "netmask": str(cluster.network.netmask),
        "memory": memory or MEMORY_MIB,
        "cpus": cpus or CPUS,
        "key": str(key),
        "public_key": public_key,
        "image": image or NO_IMAGE,
        "command": ["/bin/sh", "-c", _BOOT, "boot", public_key],  # the key first, then systemd as PID 1
        "machines": [
            {
                "name": node.name,
                "address": str(node.address),
                "container": container_name(cluster.env, node.name),
                # Vagrant gives the name itself. Sizes are no part of what a machine is compared by.
                "arguments": [*create_arguments(cluster, node, cgroup_v2=cgroup_v2)[1:], *sizes],
            }
            for node in cluster.nodes
        ],
    }


def _size(cluster: Cluster, environment: Mapping[str, str], name: str) -> int:
    """0: nobody says."""
    variable = _SIZES[name]
    text = environment.get(variable) or str(cluster.driver_settings.get(name) or 0)
    if not text.isdigit():
        raise UsageError(f"{variable} is {text!r}, not a number", next_step=f"{variable}=2 vagrant up, or unset it")
    return int(text)
