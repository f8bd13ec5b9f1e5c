"""What a machine container is: its arguments, and what to do with one that is already there. No I/O here.

The arguments boot systemd as PID 1 without `--privileged` where the kernel has cgroup v1: some CI
machines lack one capability of its set and refuse it. Each agent gets an anonymous volume for its
own Docker engine, because overlayfs does not stack on overlayfs.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from bootstrap.drivers.docker_cli import ARGUMENTS_LABEL, ENV_LABEL, NODE_LABEL
from bootstrap.model import Cluster, Node

SETTINGS = ("base", "memory", "cpus", "publish")
_CAPABILITIES = (
    "SYS_ADMIN",
    "NET_ADMIN",
    "SYS_PTRACE",
    "DAC_READ_SEARCH",
    "SYSLOG",
    "IPC_LOCK",
    "LINUX_IMMUTABLE",
    "SYS_NICE",
    "SYS_TIME",
    "MKNOD",
    "NET_RAW",
)
_SECURITY = ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined")


class Action(enum.Enum):
    """What create() does about one node."""

    MAKE = "make"
    REMAKE = "remove and make again"
    BOOT = "boot for the first time"
    START = "start again"
    KEEP = "keep"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Existing:
    """A container as the engine reports it. `booted`: its systemd has run at least once. `network`: while it runs."""

    name: str
    env: str
    node: str
    state: str
    booted: bool
    image: str
    arguments: str
    network: IPv4Network | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Existing:
        """From an object of `docker container inspect`."""
        labels = facts["Config"].get("Labels") or {}
        return cls(
            name=facts["Name"].removeprefix("/"),
            env=labels.get(ENV_LABEL, ""),
            node=labels.get(NODE_LABEL, ""),
            state=facts["State"]["Status"],
            booted=not facts["State"]["StartedAt"].startswith("0001-"),
            image=facts["Config"]["Image"],
            arguments=labels.get(ARGUMENTS_LABEL, ""),
            network=_network(facts, labels.get(ENV_LABEL, "")),
        )


def _network(facts: Mapping[str, Any], env: str) -> IPv4Network | None:
    joined = facts.get("NetworkSettings", {}).get("Networks", {}).get(network_name(env)) or {}
    address, bits = joined.get("IPAddress"), joined.get("IPPrefixLen")
    return IPv4Network(f"{address}/{bits}", strict=False) if address and bits else None


def container_name(env: str, node: str) -> str:
    return f"utopia-{env}-{node}"


def network_name(env: str) -> str:
    return f"utopia-{env}"


def decide(existing: Existing | None, env: str, arguments: str, image: str) -> Action:
    """The rule for picking up. A machine that has run holds data: it is never replaced silently.

    A newer image is no reason to replace a machine (converging brings it up to date); other
    container arguments cannot be applied to one that runs, so they are refused.
    """
    if existing is None:
        return Action.MAKE
    if existing.env != env:
        return Action.REFUSE
    if existing.state in {"dead", "removing"}:
        return Action.REMAKE
    if not existing.booted:
        same = existing.arguments == arguments and existing.image == image
        return Action.BOOT if same else Action.REMAKE
    if existing.arguments != arguments:
        return Action.REFUSE
    return Action.KEEP if existing.state == "running" else Action.START


def create_arguments(cluster: Cluster, node: Node, *, cgroup_v2: bool) -> list[str]:
    """Everything of `docker create` but the image; the label with its own hash comes last."""
    arguments = [
        f"--name={container_name(cluster.env, node.name)}",
        f"--hostname={node.name}",
        f"--label={ENV_LABEL}={cluster.env}",
        f"--label={NODE_LABEL}={node.name}",
        f"--network={network_name(cluster.env)}",
        f"--ip={node.address}",
        "--restart=no",
        *boot_arguments(cgroup_v2=cgroup_v2),
        *_setting_arguments(cluster, node),
    ]
    if "docker" in node.roles:
        arguments.append("--volume=/var/lib/docker")
    return [*arguments, f"--label={ARGUMENTS_LABEL}={fingerprint(arguments)}"]


def fingerprint(arguments: Sequence[str]) -> str:
    """Tells two sets of arguments apart."""
    return hashlib.sha256(json.dumps(list(arguments)).encode()).hexdigest()[:16]


def boot_arguments(*, cgroup_v2: bool) -> list[str]:
    """What lets systemd be PID 1. The only place that knows the cgroup version."""
    common = ["--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec", "--stop-signal=SIGRTMIN+3"]
    if cgroup_v2:
        return [*common, "--privileged", "--cgroupns=private"]
    return [
        *common,
        *(f"--cap-add={name}" for name in _CAPABILITIES),
        *(f"--security-opt={option}" for option in _SECURITY),
        "--cgroupns=host",
        "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    ]


def _setting_arguments(cluster: Cluster, node: Node) -> list[str]:
    settings = cluster.driver_settings
    sized = cluster.driver == "docker"  # Vagrant's machines have their sizes from vagrant_inputs.py
    arguments = [f"--{name}={settings[name]}" for name in ("memory", "cpus") if sized and settings.get(name)]
    if cluster.driver == "vagrant":  # its docker provider finds sshd by a published port alone
        arguments.append("--publish=127.0.0.1::22")
    published: Mapping[str, Sequence[str]] = settings.get("publish") or {}
    return arguments + [f"--publish={mapping}" for mapping in published.get(node.name, ())]
