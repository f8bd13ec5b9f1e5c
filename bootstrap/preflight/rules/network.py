"""Ports: who holds ours, and whether nodes reach each other on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from bootstrap.model import ADMIN_ROLE, BASE_ROLE
from bootstrap.preflight.finding import ERROR, Finding
from bootstrap.preflight.subject import Fleet, Subject

ARTIFACTS_PORT = "artifacts"
_WORDS = {
    "silent": "no answer: something on the way drops the packets",
    "unreachable": "no route, or a firewall that says so",
    "refused": "refused, although the port was open there: a firewall rejects",
}


def ports_free(subject: Subject) -> Iterator[Finding]:
    """Ports of roles that are yet to be set up. What is ours already has its own ports."""
    for name in subject.node.roles:
        role = subject.cluster.roles.get(name)
        if role is None or name in subject.owned:
            continue
        for port in role.ports:
            held = [row for row in subject.facts.listening if (row.port, row.protocol) == (port.number, port.protocol)]
            if held:
                where = " of loopback" if held[0].loopback else ""
                yield subject.error(
                    f"{held[0].holder} listens on port {port.number}/{port.protocol}{where}",
                    f"it free for {name} ({port.name})",
                    "a second service cannot have the port",
                    f"stop it there (`ss -ltnup 'sport = :{port.number}'` shows it, systemctl disable --now the unit),"
                    " or give the role to another node",
                )


def reachability(fleet: Fleet) -> Iterator[Finding]:
    """On every port on which one node needs another; those that fail alike are told in one finding."""
    yield from _failures(fleet, artifacts=False)


def artifact_server(fleet: Fleet) -> Iterator[Finding]:
    """Every node takes packages and archives from the admin node."""
    yield from _failures(fleet, artifacts=True)


def _failures(fleet: Fleet, *, artifacts: bool) -> Iterator[Finding]:
    failed: dict[tuple[str, str, str, int], list[str]] = defaultdict(list)
    for way in fleet.ways:
        source, target = fleet.subjects.get(way.source), fleet.subjects.get(way.target)
        if source is None or target is None or (way.port.name == ARTIFACTS_PORT) != artifacts:
            continue
        answer = source.facts.reached.get(f"{target.node.address}:{way.port.number}", "open")
        certain = fleet.exact and way.port.number in target.facts.bound
        if answer in ("silent", "unreachable") or (answer == "refused" and certain):
            failed[(way.target, way.role, answer, way.port.number)].append(way.source)
        elif artifacts and answer == "refused" and ADMIN_ROLE in target.owned:
            failed[(way.target, way.role, "stopped", way.port.number)].append(way.source)
    for failure, sources in sorted(failed.items()):
        yield _finding(fleet, failure, sorted(set(sources)), artifacts=artifacts)


def _finding(fleet: Fleet, failure: tuple[str, str, str, int], sources: list[str], *, artifacts: bool) -> Finding:
    target, role, answer, number = failure
    address = fleet.subjects[target].node.address
    shown = ", ".join(sources[:4]) + (f" and {len(sources) - 4} more" if len(sources) > 4 else "")
    why = "nodes get what they install from there" if artifacts else f"{role} is needed there"
    if answer == "stopped":
        return Finding(
            "warning",
            target,
            f"nothing listens on port {number}",
            "the artifact server",
            why,
            f"`bootstrap ssh {target} -- systemctl status nginx`; the phase admin starts it",
        )
    return Finding(
        ERROR,
        sources[0] if len(sources) == 1 else target,
        f"{shown} cannot reach {address}:{number} ({_WORDS[answer]})",
        f"port {number}/tcp of {target} open to {'it' if len(sources) == 1 else 'them'}",
        why if role != BASE_ROLE else "SSH",
        f"open it in the firewalls of {target} and between (`nc -vz {address} {number}` there tries it)",
    )
