"""The operating system and the kernel of a node."""

from __future__ import annotations

from collections.abc import Iterator

from bootstrap.preflight.finding import Finding
from bootstrap.preflight.subject import Subject

CGROUP_CONTROLLERS = frozenset({"cpu", "cpuacct", "freezer", "memory", "pids"})
OLDEST_DOCKER = (20, 10)
_OTHER_DOCKERS = ("docker-ce", "containerd.io", "podman-docker", "docker-engine")
PACKAGES = (*_OTHER_DOCKERS, "salt-minion", "salt-master", "salt-common", "zookeeperd", "elasticsearch", "opensearch")


def operating_system(subject: Subject) -> Iterator[Finding]:
    """Debian 12: packages, the wheels of Salt and our services are made for it."""
    facts = subject.facts
    if (facts.distribution, facts.version) != ("debian", "12"):
        yield subject.error(
            facts.system_name or "no name of a system",
            "Debian 12",
            "packages and Salt's wheels are made for Debian 12",
            "install Debian 12 there, or take the node out of the topology",
        )


def architecture(subject: Subject) -> Iterator[Finding]:
    """Mesos was published for one architecture."""
    if subject.facts.machine != "x86_64":
        yield subject.error(
            f"architecture {subject.facts.machine}",
            "x86_64",
            "Mesos 1.11 and our wheels exist for no other",
            "use a machine with a 64-bit x86 processor",
        )


def init(subject: Subject) -> Iterator[Finding]:
    """Services are units of systemd."""
    if subject.facts.init != "systemd":
        yield subject.error(
            f"process 1 is {subject.facts.init}",
            "systemd",
            "every service is a unit of systemd",
            "boot the machine with systemd; a container needs it as its command",
        )


def answers(subject: Subject) -> Iterator[Finding]:
    """What could not be found out is told, and not taken for good."""
    for part, reason in subject.facts.failed.items():
        yield subject.warning(
            f"{part} could not be read: {reason}",
            "an answer",
            "what is not known could not be checked",
            "look into it there; `bootstrap preflight` tries again",
        )


def cgroups(subject: Subject) -> Iterator[Finding]:
    """The last release of Mesos came out before cgroup v2 was common and knows v1 alone."""
    if "mesos-agent" not in subject.node.roles or not _wants_cgroups(subject):
        return
    missing = sorted(CGROUP_CONTROLLERS - subject.facts.cgroup_v1)
    if not missing:
        return
    v2 = subject.facts.cgroup_v2
    how = (
        "boot it with `systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1` on the kernel's command"
        " line (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub) if its kernel still has cgroup v1 (`grep"
        " memory /proc/cgroups` shows it);"
        if v2
        else "mount the missing hierarchies below /sys/fs/cgroup;"
    )
    yield subject.error(
        "cgroup v2 alone" if v2 else f"cgroup v1 without {', '.join(missing)}",
        "cgroup v1 with freezer, memory and cpu",
        "the agent puts every task into a freezer cgroup and limits it there; Mesos 1.11 knows no other kind",
        f"{how} or give up limits for tasks outside Docker: settings: {{mesos-agent: {{flags: {{launcher: posix,"
        " isolation: 'posix/cpu,posix/mem'}}}",
    )


def _wants_cgroups(subject: Subject) -> bool:
    flags = subject.cluster.settings.get("mesos-agent", {}).get("flags", {})
    return flags.get("launcher", "linux") == "linux" or "cgroups/" in flags.get("isolation", "cgroups/")


def map_count(subject: Subject) -> Iterator[Finding]:
    """The host baseline raises it where the kernel is the machine's own."""
    found, wanted = subject.facts.map_count, subject.needs.map_count
    if found >= wanted:
        return
    if subject.lab:
        yield subject.error(
            f"vm.max_map_count = {found}",
            f"{wanted}",
            "Elasticsearch maps its index into memory and refuses to start with less",
            f"`sysctl -w vm.max_map_count={wanted}` on the machine that hosts the containers, or settings:"
            " {elasticsearch: {config: {node.store.allow_mmap: false}}}",
        )
    else:
        yield subject.warning(
            f"vm.max_map_count = {found}",
            f"{wanted}",
            "Elasticsearch maps its index into memory",
            "nothing to do: the host baseline raises it (settings: base.sysctl_host)",
        )


def open_files(subject: Subject) -> Iterator[Finding]:
    """A unit cannot have more than process 1 may give."""
    found, wanted = subject.facts.open_files, subject.needs.open_files
    if 0 <= found < wanted:
        yield subject.error(
            f"at most {found} open files for a service",
            f"{wanted}",
            "Elasticsearch refuses to start with fewer, and systemd gives none more than it has itself",
            "raise the hard limit of process 1 (the engine's LimitNOFILE= for containers), or, in a lab, settings:"
            " {elasticsearch: {lab_pretend_open_files: true}}",
        )


def swap(subject: Subject) -> Iterator[Finding]:
    """A heap that is swapped out stops the world for minutes."""
    if subject.facts.swap and not subject.needs.swap:
        fix = "switch swap off on the machine that hosts the containers" if subject.lab else "nothing to do: it is"
        yield subject.warning(
            f"{subject.facts.swap >> 20} MiB of swap",
            "none",
            "a heap that is swapped out makes a member of the index seem dead",
            fix if subject.lab else f"{fix} switched off by the host baseline; make sure that memory suffices without",
        )


def kernel_modules(subject: Subject) -> Iterator[Finding]:
    """What containers are made of."""
    for module in subject.needs.modules:
        if not subject.facts.modules.get(module, True):
            yield subject.error(
                f"no kernel module {module}",
                f"{module}, loaded or to be loaded",
                "the container engine's file system is made with it",
                f"`modprobe {module}` there says why; Debian's own kernel (linux-image-amd64) has it",
            )


def docker_version(subject: Subject) -> Iterator[Finding]:
    """Debian's engine and no other: two of them cannot be installed side by side."""
    if "docker" not in subject.node.roles:
        return
    facts = subject.facts
    others = sorted(name for name in _OTHER_DOCKERS if name in facts.packages)
    if others and "docker" not in subject.owned:
        yield subject.error(
            f"{', '.join(f'{name} {facts.packages[name]}' for name in others)}",
            "no other container engine than Debian's docker.io",
            "they exclude each other, and replacing a running engine would end its containers",
            "move its containers away and remove these packages, or take the node out of the topology",
        )
    elif facts.docker and _number(facts.docker) < OLDEST_DOCKER:
        yield subject.error(
            f"Docker {facts.docker}",
            f"{'.'.join(map(str, OLDEST_DOCKER))} or newer",
            "older ones miss what the agent asks of the engine",
            "`apt-get install docker.io` there, or remove it: the role docker installs its own",
        )


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit()) or (1 << 30,)
