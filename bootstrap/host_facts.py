"""Facts about the controlling side that preflight judges. Only reads, and from a root that a test may choose."""

from __future__ import annotations

import errno
import json
import re
import resource
import shutil
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from bootstrap import drivers, paths
from bootstrap.model import Cluster
from bootstrap.process import run


@dataclass(frozen=True, slots=True)
class Facts:
    """Sizes in bytes. `engine_free` is None without an engine. `machines`: how many of ours run already.

    `taken`: ports that machines which do not run yet are to publish, and that something else holds.
    """

    cgroup_root: Path = Path("/sys/fs/cgroup")
    cgroup_v1: frozenset[str] = frozenset()
    cgroup_v2: bool = False
    open_files: int = resource.RLIM_INFINITY
    inotify_limit: int = 1 << 62
    inotify_used: int = 0
    memory_available: int = 1 << 62
    cache_free: int = 1 << 62
    engine_root: str = "/var/lib/docker"
    engine_free: int | None = None
    storage_driver: str = ""
    machines: int = 0
    routes: tuple[tuple[IPv4Network, str], ...] = ()
    own_devices: frozenset[str] = frozenset()
    taken: frozenset[int] = frozenset()


def gather(cluster: Cluster, root: Path = Path("/")) -> Facts:
    """The facts of this machine and of its engine."""
    engine = _engine_info() if drivers.uses_engine(cluster) else {}
    engine_root = engine.get("DockerRootDir", "/var/lib/docker")
    cgroup_root = root / "sys/fs/cgroup"
    running = _running(cluster) if engine else frozenset()
    return Facts(
        cgroup_root=cgroup_root,
        cgroup_v1=cgroup_v1_controllers(cgroup_root),
        cgroup_v2=(cgroup_root / "cgroup.controllers").exists(),
        open_files=open_files_limit(root / "proc"),
        inotify_limit=int((root / "proc/sys/fs/inotify/max_user_instances").read_text(encoding="ascii")),
        inotify_used=inotify_used(root / "proc"),
        memory_available=memory_available(root / "proc/meminfo"),
        cache_free=shutil.disk_usage(paths.cache_dir()).free,
        engine_root=engine_root,
        engine_free=shutil.disk_usage(engine_root).free if Path(engine_root).is_dir() else None,
        storage_driver=engine.get("Driver", ""),
        machines=len(running),
        routes=routes(root / "proc/net/route"),
        own_devices=_own_devices(cluster) if engine else frozenset(),
        taken=frozenset(filter(is_taken, published(cluster, running))),
    )


def published(cluster: Cluster, running: Collection[str]) -> set[int]:
    """Ports of this machine that nodes which do not run are to publish; 0, any free one, is none of them."""
    mappings: Mapping[str, Sequence[str]] = cluster.driver_settings.get("publish") or {}
    texts = [text for node, found in mappings.items() if node not in running for text in found]
    return {int(text.split(":")[1] or 0) for text in texts if not text.endswith("/udp")} - {0}


def is_taken(port: int) -> bool:
    """Whether something listens on that port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def cgroup_v1_controllers(cgroup_root: Path) -> frozenset[str]:
    """Hierarchies mounted there: a v1 hierarchy has `tasks` in its root, v2 has not."""
    if not cgroup_root.is_dir():
        return frozenset()
    return frozenset(
        name for folder in cgroup_root.iterdir() if (folder / "tasks").exists() for name in folder.name.split(",")
    )


def open_files_limit(proc: Path) -> int:
    """The hard limit of the engine's process: what its containers inherit; else our own."""
    for comm in proc.glob("[0-9]*/comm"):
        try:
            if comm.read_text(encoding="utf-8").strip() == "dockerd":
                limits = (comm.parent / "limits").read_text(encoding="ascii")
                found = re.search(r"^Max open files\s+\S+\s+(\S+)", limits, re.MULTILINE)
                if found:
                    return int(found[1]) if found[1].isdigit() else resource.RLIM_INFINITY
        except OSError:
            continue  # it ended while we looked, or is not ours to read
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def inotify_used(proc: Path) -> int:
    """inotify instances of all processes that we may look into (as root: all of them)."""
    used = 0
    for folder in proc.glob("[0-9]*/fd"):
        try:
            used += sum(link.readlink().name == "anon_inode:inotify" for link in folder.iterdir())
        except OSError:
            continue  # it ended while we looked, or is not ours to read
    return used


def memory_available(meminfo: Path) -> int:
    """MemAvailable in bytes."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) << 10 if found else 1 << 62


def routes(table: Path) -> tuple[tuple[IPv4Network, str], ...]:
    """The kernel's routes with their devices; numbers in the file are little-endian."""
    rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    return tuple((IPv4Network((_address(row[1]), str(_address(row[7])))), row[0]) for row in rows if len(row) > 7)


def _address(text: str) -> IPv4Address:
    return IPv4Address(bytes.fromhex(text)[::-1])


def _engine_info() -> dict[str, str]:
    done = run(["docker", "info", "--format={{json .}}"], timeout=20)
    info = json.loads(done.out) if done.ok else {}
    return {key: str(value) for key, value in info.items() if key in {"DockerRootDir", "Driver"}}


def _running(cluster: Cluster) -> frozenset[str]:
    """Names of the nodes whose machines run."""
    command = ["docker", "ps", '--format={{.Label "utopia.node"}}', f"--filter=label=utopia.env={cluster.env}"]
    return frozenset(run(command).out.split())


def _own_devices(cluster: Cluster) -> frozenset[str]:
    """Bridges of the environment's own network, which the engine names after the network's id."""
    listed = run(["docker", "network", "ls", "--no-trunc", "--quiet", f"--filter=label=utopia.env={cluster.env}"])
    return frozenset(f"br-{identity[:12]}" for identity in listed.out.split())
