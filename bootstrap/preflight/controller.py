"""What must hold on the controlling side before anything is touched: all findings at once.

`gather()` reads the facts, `check()` judges them: a check is a function of facts and topology, so
that a machine nobody has at hand can be tested.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from bootstrap import drivers, paths
from bootstrap.errors import PreflightError
from bootstrap.host_facts import Facts, gather
from bootstrap.model import Cluster
from bootstrap.preflight.finding import Finding, waived

GIB = 1 << 30
CACHE_GIB = 2  # wheels, artifacts, the base archive while the image is made
ENGINE_GIB = 4  # the machine image and the layers on top of it
NODE_GIB = 1  # what a machine of the lab writes while it is set up
NODE_MIB = 500  # a control node with ZooKeeper and a Mesos master, measured 300
OPEN_FILES = 65536
EDGE_CONNECTIONS = 20000  # of HAProxy, in salt/haproxy/defaults.yaml
EDGE_SPARE_FILES = 1000  # for its checks, listeners and logs
INDEX_MIB = 900  # a member of the log index with a heap of 512 MiB, measured 850 to 880
NODE_INOTIFY = 8  # inotify instances of a machine with its services, measured 4 to 6
CGROUP_CONTROLLERS = frozenset({"cpu", "cpuacct", "freezer", "memory", "pids"})


def check(cluster: Cluster, facts: Facts | None = None) -> list[Finding]:
    """Every finding for `cluster` on this machine; errors first."""
    known = facts or gather(cluster)
    rules = {**COMMON, **(DOCKER if drivers.uses_engine(cluster) else {})}
    found = [replace(finding, rule=name) for name, rule in rules.items() for finding in rule(cluster, known)]
    return waived(found, cluster.waivers)


def require(cluster: Cluster, facts: Facts | None = None) -> None:
    """PreflightError with every finding that forbids going on."""
    fatal = [str(finding) for finding in check(cluster, facts) if finding.severity == "error"]
    if fatal:
        raise PreflightError(
            f"{len(fatal)} {'things' if len(fatal) > 1 else 'thing'} must be put right first",
            where=f"environment {cluster.env}",
            lines=fatal,
            next_step="put them right, then run the same command again",
        )


def _cache_room(_cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    if facts.cache_free < CACHE_GIB * GIB:
        yield Finding(
            "error",
            "",
            f"{facts.cache_free / GIB:.1f} GiB free in {paths.cache_dir()}",
            f"{CACHE_GIB} GiB",
            "artifacts, Salt's wheels and the machine image are made there",
            "make room, or set UTOPIA_CACHE_DIR to a folder on a larger disk",
        )


def _engine_room(cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    wanted = ENGINE_GIB + NODE_GIB * max(0, len(cluster.nodes) - facts.machines)
    if facts.engine_free is not None and facts.engine_free < wanted * GIB:
        yield Finding(
            "error",
            "",
            f"{facts.engine_free / GIB:.1f} GiB free in {facts.engine_root}",
            f"{wanted} GiB for {len(cluster.nodes)} machines",
            "the engine keeps the image and the machines' disks there",
            "`docker system df` shows what could go; or set data-root in /etc/docker/daemon.json",
        )


def _memory(cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    wanted = NODE_MIB * (len(cluster.nodes) - facts.machines)
    if not facts.machines:
        wanted += INDEX_MIB * len(cluster.with_role("elasticsearch"))
    if facts.memory_available < wanted << 20:
        yield Finding(
            "warning",
            "",
            f"{facts.memory_available >> 20} MiB of memory available",
            f"{wanted} MiB for {len(cluster.nodes) - facts.machines} more machines",
            "the kernel ends services when it runs out of memory",
            "end other programs, or use the smaller topology: --env small",
        )


def _storage_driver(_cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    if facts.storage_driver and facts.storage_driver != "overlay2":
        yield Finding(
            "warning",
            "",
            f"the engine's storage driver {facts.storage_driver}",
            "overlay2",
            "other drivers copy files whole: machines become slow and large",
            'set {"storage-driver": "overlay2"} in /etc/docker/daemon.json',
        )


def _mesos_cgroups(cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    """The last release of Mesos came out before cgroup v2 was common and knows v1 alone."""
    agents = cluster.with_role("mesos-agent")
    if not agents or not _wants_cgroups(cluster):
        return
    missing = sorted(CGROUP_CONTROLLERS - facts.cgroup_v1)
    if facts.cgroup_v2:
        found = "cgroup v2 alone"
        fix = (
            "boot this machine with `systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1` on the"
            " kernel's command line if its kernel still has cgroup v1 (`grep memory /proc/cgroups` shows it);"
        )
    elif missing:
        found = f"cgroup v1 without {', '.join(missing)}"
        fix = f"mount the missing hierarchies below {facts.cgroup_root};"
    else:
        return
    yield Finding(
        "error",
        "",
        found,
        "cgroup v1 with freezer, memory and cpu",
        f"the Mesos agent ({', '.join(node.name for node in agents[:3])}{', ...' if len(agents) > 3 else ''}) puts"
        " every task into a freezer cgroup and limits it there; Mesos 1.11 knows no other kind",
        f"{fix} or give up limits for tasks outside Docker: settings: {{mesos-agent: {{flags: {{launcher: posix,"
        " isolation: 'posix/cpu,posix/mem', ...}}}}",
    )


def _wants_cgroups(cluster: Cluster) -> bool:
    flags = cluster.settings.get("mesos-agent", {}).get("flags", {})
    return flags.get("launcher", "linux") == "linux" or "cgroups/" in flags.get("isolation", "cgroups/")


def _open_files(_cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    limit = facts.open_files
    if limit != resource.RLIM_INFINITY and limit < OPEN_FILES:
        yield Finding(
            "warning",
            "",
            f"at most {limit} open files for a process of the engine",
            str(OPEN_FILES),
            "services in the machines ask for more and are silently given this",
            "raise the hard limit of dockerd (LimitNOFILE=); where it cannot be raised the lab works, for few clients",
        )


def _edge_files(cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    """HAProxy takes two for each connection it may have, and does not start with fewer."""
    if not cluster.with_role("ingress") or facts.open_files == resource.RLIM_INFINITY:
        return
    connections = int(cluster.settings.get("haproxy", {}).get("max_connections", EDGE_CONNECTIONS))
    carried = (facts.open_files - EDGE_SPARE_FILES) // 2
    if connections > carried:
        yield Finding(
            "error",
            "",
            f"at most {facts.open_files} open files for a process of the engine",
            f"{2 * connections + EDGE_SPARE_FILES} for {connections} connections of the edge",
            "HAProxy takes two for each connection that it may have, and does not start with fewer",
            f"write settings: {{haproxy: {{max_connections: {max(100, carried // 100 * 100)}}}}}, or raise the limit",
        )


def _published(_cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    for port in sorted(facts.taken):
        yield Finding(
            "error",
            "",
            f"something listens on port {port} of loopback",
            "it free",
            "a port of the edge is published there",
            f"end that (`ss -ltnp 'sport = :{port}'` names it), or publish another port in driver.publish",
        )


def _inotify(cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    """All machines of all environments share one budget: root's of the host. systemd cannot boot without."""
    missing = len(cluster.nodes) - facts.machines
    if missing > 0 and facts.inotify_limit - facts.inotify_used < NODE_INOTIFY * missing:
        wanted = facts.inotify_used + NODE_INOTIFY * missing
        yield Finding(
            "error",
            "",
            f"fs.inotify.max_user_instances = {facts.inotify_limit}, {facts.inotify_used} of them in use",
            f"at least {wanted}",
            f"{missing} more machines boot systemd, which watches files",
            f"`sudo sysctl -w fs.inotify.max_user_instances={max(1024, 2 * wanted)}`, and the same in /etc/sysctl.d to"
            " keep it; or destroy another environment",
        )


def _routes(cluster: Cluster, facts: Facts) -> Iterator[Finding]:
    """A route of the host into our addresses would draw the packets away, or ours would draw theirs."""
    for network, device in facts.routes:
        if network.prefixlen and device not in facts.own_devices and network.overlaps(cluster.network):
            yield Finding(
                "error",
                "",
                f"a route to {network} through {device}",
                f"{cluster.network} unused",
                "the machines of the environment get addresses of that network",
                f"change `network` and the nodes' addresses in {cluster.path}",
            )


COMMON: Mapping[str, Callable[[Cluster, Facts], Iterator[Finding]]] = {"cache-room": _cache_room}
DOCKER: Mapping[str, Callable[[Cluster, Facts], Iterator[Finding]]] = {
    "engine-room": _engine_room,
    "memory": _memory,
    "storage-driver": _storage_driver,
    "cgroups": _mesos_cgroups,
    "open-files": _open_files,
    "edge-files": _edge_files,
    "published-ports": _published,
    "inotify": _inotify,
    "routes": _routes,
}
