"""Role base: what every machine must be, whatever else it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from node_facts import Facts, Leaks, closed, left, missing, not_running

from bootstrap import paths
from bootstrap.model import BASE_ROLE, Cluster, Node
from bootstrap.plan import Plan

UNITS = ("ssh", "salt-minion")
CLOCK_SECONDS = 1.0  # leases and sessions count in seconds
# Task ports of an agent, and the ephemeral ports of its executors.
TASKS_FROM = 31000
# Whom a file with a secret may belong to.
SERVICE_USERS = {
    "root",
    "salt",
    "zookeeper",
    "mesos",
    "marathon",
    "utopia-scheduler",
    "haproxy-admin",
    "log-shipper",
    "elasticsearch",
}
SERVICE_USERS |= {"prometheus", "utopia-exporter", "elasticsearch-exporter"}
# Ports of the edge that applications may take, as services over TCP.
SERVICES_FROM = 10000


def test_units(facts: Facts) -> None:
    """SSH and the Salt minion run, now and after a boot"""
    wrong = not_running(facts, UNITS)
    assert not wrong, "; ".join(wrong)


def test_no_failed_units(facts: Facts) -> None:
    """systemd has no failed unit"""
    failed = [line.split()[0] for line in facts.lines("unit-failed")]
    assert not failed, f"failed: {', '.join(failed)}"


def test_nothing_is_left_of_former_roles(facts: Facts, node: Node, made: Plan) -> None:
    """Runs no service of a role or provider that it had once"""
    units = left(facts, made.node_pillar[node.name]["components"], paths.SALT)
    assert not units, f"no role or provider of this node has {', '.join(units)}; systemctl disable --now ends it"


def test_ports(
    facts: Facts, node: Node, cluster: Cluster, made: Plan, component_settings: Callable[[str], dict[str, Any]]
) -> None:
    """Listens where its roles say, for other machines, and nowhere else"""
    wrong = closed(facts, str(node.address), cluster.roles[BASE_ROLE].ports)
    allowed = {p.number for role in (BASE_ROLE, *node.roles) for p in cluster.roles[role].ports}
    # Where a driver of Mesos is spoken to, which listens only while its framework leads.
    allowed |= {component_settings(name).get("libprocess_port") for name in made.node_pillar[node.name]["components"]}
    agent, edge = "mesos-agent" in node.roles, "ingress" in node.roles
    strange = sorted(
        port
        for protocol, address, port in facts.listening
        if protocol == "tcp"
        and not address.startswith(("127.", "::1"))
        and port not in allowed
        and not (agent and port >= TASKS_FROM)
        and not (edge and port >= SERVICES_FROM)
    )
    wrong += [f"something listens on {port}/tcp, which no role has" for port in strange]
    assert not wrong, "; ".join(wrong)


def test_packages(facts: Facts, component_settings: Callable[[str], dict[str, Any]]) -> None:
    """The packages of the baseline are installed"""
    wrong = missing(facts, component_settings("base")["packages"])
    assert not wrong, "; ".join(wrong)


def test_salt_version(facts: Facts) -> None:
    """Runs the pinned Salt"""
    lock = (paths.CHECKOUT / "packaging" / "salt" / "requirements.lock").read_text()
    pinned = re.search(r"^salt==(\S+)", lock, re.MULTILINE)
    assert pinned, "packaging/salt/requirements.lock pins no salt"
    assert facts.text("salt") == f"salt-{pinned[1]}.dist-info", f"has {facts.text('salt')}, pinned is {pinned[1]}"


def test_name(facts: Facts, node: Node) -> None:
    """Has its name, which resolves to its own address and never to 127.0.1.1"""
    assert facts.text("hostname") == node.name
    found = {line.split()[0] for line in facts.lines("own-address")}
    assert found == {str(node.address)}, f"{node.name} resolves to {', '.join(sorted(found)) or 'nothing'}"
    assert not re.search(r"^127\.0\.1\.1\b", facts.text("hosts"), re.MULTILINE), (
        "/etc/hosts has Debian's 127.0.1.1 line"
    )


def test_names_of_all(facts: Facts, cluster: Cluster) -> None:
    """Finds every other node by name"""
    found = {name: line.split()[0] for line in facts.lines("resolvable") for name in line.split()[1:]}
    wrong = [node.name for node in cluster.nodes if found.get(node.name) != str(node.address)]
    assert not wrong, f"does not find {', '.join(wrong)}"


def test_sysctl(facts: Facts, made: Plan, component_settings: Callable[[str], dict[str, Any]]) -> None:
    """The kernel has our network settings, and on a machine of its own our host settings"""
    base = component_settings("base")
    wanted = dict(base["sysctl"]) | ({} if made.pillar["lab"] else dict(base["sysctl_host"]))
    found = dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in facts.lines("sysctl"))
    wrong = [
        f"{key} is {found.get(key)}, must be {value}" for key, value in wanted.items() if found.get(key) != str(value)
    ]
    assert not wrong, "; ".join(wrong)


def test_clock(facts: Facts, made: Plan) -> None:
    """Its clock is right: synchronised, or in a lab that of this computer"""
    if not made.pillar["lab"]:
        assert re.search(r"^Leap status\s*: Normal$", facts.text("ntp"), re.MULTILINE), "the clock is not synchronised"
    clock = float(facts.text("clock"))
    off = max(facts.asked_at - clock, clock - facts.answered_at, 0.0)
    assert off < CLOCK_SECONDS, f"its clock is {off:.1f} s off"


def test_swap(facts: Facts, made: Plan) -> None:
    """Does not swap (a lab machine has the memory of this computer)"""
    areas = facts.lines("swap")[1:]
    assert made.pillar["lab"] or not areas, f"{len(areas)} swap areas are on"


def test_journal(facts: Facts, component_settings: Callable[[str], dict[str, Any]]) -> None:
    """The journal is kept over boots, within its bound"""
    found = re.search(r"^System Journal .*? max ([0-9.]+[KMGT]?)", facts.text("journal"))
    bound = component_settings("base")["journal_max_use"]
    assert found, "the journal is not persistent"
    assert _bytes(found[1]) <= _bytes(bound), f"the journal may grow to {found[1]}, the bound is {bound}"


def test_no_restart_is_due(facts: Facts) -> None:
    """No service waits for a restart to take new configuration"""
    assert not facts.lines("marked"), f"marked for a restart: {', '.join(facts.lines('marked'))}"


def test_secrets_in_files(leaks: Leaks) -> None:
    """Files with a secret are readable by their service alone, and none is in Salt's job cache"""
    owners = [(path, mode, *owner.split(":")) for path, mode, owner in leaks.files]
    # A group that has the name of its only user adds nobody.
    wrong = [
        f"{path} has mode {mode}"
        for path, mode, user, group in owners
        if mode not in ("600", "400") and not (mode in ("640", "440") and user == group)
    ]
    wrong += [f"{path} belongs to {user}" for path, _, user, _ in owners if user not in SERVICE_USERS]
    wrong += [
        f"{path} holds a secret" for path, _, _ in leaks.files if "/jobs/" in path or path.startswith("/var/log/")
    ]
    assert not wrong, "; ".join(wrong)


def test_secrets_elsewhere(leaks: Leaks) -> None:
    """No secret is in an argument, an environment or the journal"""
    wrong = [f"{count} lines of {place} hold a secret" for place, count in leaks.lines.items() if count]
    assert not wrong, "; ".join(wrong)


def _bytes(size: str) -> float:
    units = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
    return float(size.rstrip("KMGT")) * units.get(size[-1], 1)
