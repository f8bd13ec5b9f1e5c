"""Every rule about nodes: a function from facts to findings, by the name with which a topology waives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bootstrap.preflight.finding import Finding
from bootstrap.preflight.rules import foreign, identity, network, room, system
from bootstrap.preflight.subject import Fleet, Subject

NodeRule = Callable[[Subject], Iterator[Finding]]
FleetRule = Callable[[Fleet], Iterator[Finding]]

NODE: Mapping[str, NodeRule] = {
    "answers": system.answers,
    "operating-system": system.operating_system,
    "architecture": system.architecture,
    "init": system.init,
    "cgroups": system.cgroups,
    "memory": room.memory,
    "disk-room": room.disk_room,
    "mount-options": room.mount_options,
    "ports-free": network.ports_free,
    "address": identity.address,
    "names": identity.names,
    "reverse-names": identity.reverse_names,
    "map-count": system.map_count,
    "open-files": system.open_files,
    "swap": system.swap,
    "kernel-modules": system.kernel_modules,
    "docker-version": system.docker_version,
    "foreign-salt": foreign.foreign_salt,
    "foreign-data": foreign.foreign_data,
    "foreign-service": foreign.foreign_service,
}
FLEET: Mapping[str, FleetRule] = {
    "clock": identity.clock,
    "same-machine": identity.same_machine,
    "reachability": network.reachability,
    "artifact-server": network.artifact_server,
}
# What belongs to the kernel that machines of a lab share: told once, for the host.
OF_THE_HOST = frozenset({"cgroups", "map-count", "open-files", "swap", "kernel-modules"})
