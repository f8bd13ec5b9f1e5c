"""Memory, disks and how they are mounted."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.preflight.facts import GIB, MIB, Place
from bootstrap.preflight.finding import Finding
from bootstrap.preflight.subject import Subject

LAB_GIB = 0.25  # per file system: machines of a lab write little, and share the disk of their host
KEPT_GIB = 1  # on a node that is set up, where what was asked for has partly been used


def memory(subject: Subject) -> Iterator[Finding]:
    """Of what the roles want and what an agent hands out. In a lab the memory is the host's."""
    found, wanted = subject.facts.memory // MIB, subject.needs.memory
    if not subject.lab and found < wanted:
        yield subject.error(
            f"{found} MiB of memory",
            f"{wanted} MiB for {', '.join(subject.node.roles) or 'the host baseline'}",
            "the kernel ends services when it runs out of memory",
            "add memory, move a role to another node, or offer less to tasks (resources: {mem: ...})",
        )


def disk_room(subject: Subject) -> Iterator[Finding]:
    """Added up per file system."""
    systems: dict[str, tuple[Place, list[str], float]] = {}
    for path, size in subject.needs.disk.items():
        place = subject.facts.places.get(path)
        if place is not None:
            _, before, total = systems.get(place.device, (place, [], 0.0))
            systems[place.device] = (place, [*before, path], total + size)
    settled = set(subject.node.roles) <= subject.owned and subject.trusts_us
    for place, paths, asked in systems.values():
        wanted = min(asked, LAB_GIB if subject.lab else KEPT_GIB if settled else asked)
        if place.free < wanted * GIB:
            yield subject.error(
                f"{place.free / GIB:.1f} GiB free on {place.mount}",
                f"{wanted:g} GiB for {', '.join(paths)}",
                "a service that cannot write stops, and a full log of ZooKeeper stops everything",
                "make room, mount a larger disk there, or set another folder (pillar/roles.yaml names the settings)",
            )


def mount_options(subject: Subject) -> Iterator[Finding]:
    """Programs run from some folders, and all are written to."""
    for path in subject.needs.paths:
        place = subject.facts.places.get(path)
        if place is None:
            continue
        if "ro" in place.options:
            yield subject.error(
                f"{path} is on {place.mount}, mounted read-only",
                "rw",
                "services keep their data there",
                f"`mount -o remount,rw {place.mount}`; a file system that became so by itself has a defect: see dmesg",
            )
        elif path in subject.needs.run and "noexec" in place.options:
            yield subject.error(
                f"{path} is on {place.mount}, mounted noexec",
                "exec",
                "programs are run from there",
                f"`mount -o remount,exec {place.mount}` and the same in /etc/fstab, or another folder",
            )
