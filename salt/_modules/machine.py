"""Facts about this machine that configuration needs and no grain holds."""

import os
import socket
from pathlib import Path

PROC = Path("/proc")
GIGABYTE = 2**30


def cgroup():
    """This machine's own cgroup (v1, freezer) as the kernel sees it: "/" on real hardware, "" on cgroup v2.

    Machines of a lab share one cgroup tree, so whatever makes cgroups has to stay below its machine's.
    """
    for line in (PROC / "1" / "cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "freezer":
            return path
    return ""


def task_resources(ports, persisted):
    """What an agent offers when the topology does not say: Mesos' resource string.

    Computed once, from the whole machine less a share for the system, and kept in the file `persisted`:
    an agent refuses to come back with less than it had, and free memory and disk differ from day to day.
    """
    if Path(persisted).exists():
        return Path(persisted).read_text(encoding="ascii").strip()
    cpus = max(1, os.cpu_count() - 1) if os.cpu_count() > 2 else os.cpu_count()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    memory -= max(GIGABYTE, memory // 10)
    disk = os.statvfs("/var/lib")
    disk = disk.f_blocks * disk.f_frsize * 8 // 10
    return f"cpus:{cpus};mem:{max(256, memory // 2**20)};disk:{disk // 2**20};ports:{ports}"


def naming_faults(name, address):
    """What is wrong with this machine's name: [] when it is `name` and resolves to `address` alone.

    Debian's 127.0.1.1 makes Mesos and everything on it register with an address no one else can reach.
    """
    faults = []
    if socket.gethostname() != name:
        faults.append(f"the machine calls itself {socket.gethostname()}, the topology calls it {name}")
    try:
        found = {info[4][0] for info in socket.getaddrinfo(name, None, socket.AF_INET)}
    except OSError as error:
        return [*faults, f"{name} does not resolve: {error}"]
    if found != {address}:
        faults.append(f"{name} resolves to {', '.join(sorted(found))} instead of {address}")
    return faults


def swap_areas():
    """The swap areas in use: devices or files."""
    return [line.split()[0] for line in (PROC / "swaps").read_text(encoding="utf-8").splitlines()[1:]]


def java_heap(share=4, most=4096):
    """One part in `share` of this machine's memory for a Java service beside others, from 768m to `most` MB."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return f"{min(most, max(768, memory // share))}m"
