"""Whether a node is the machine that the topology means: address, names, clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from bootstrap.preflight.finding import ERROR, WARNING, Finding
from bootstrap.preflight.subject import Fleet, Subject

CLOCK_WARNING, CLOCK_ERROR = 0.5, 5.0  # seconds


def address(subject: Subject) -> Iterator[Finding]:
    """Services bind to the address of the topology: it must be the machine's own."""
    wanted, found = str(subject.node.address), subject.facts.addresses
    if found and wanted not in found:
        own = ", ".join(sorted(found - {"127.0.0.1"})) or "none but loopback"
        yield subject.error(
            f"addresses {own}",
            wanted,
            "services bind to the address of the topology; behind address translation they could not",
            "correct the address in the topology, or give it to the machine",
        )


def names(subject: Subject) -> Iterator[Finding]:
    """Mesos and Marathon register with what their own name resolves to."""
    wanted = str(subject.node.address)
    for name, found in subject.facts.forward.items():
        if any(text.startswith("127.") for text in found):
            yield subject.warning(
                f"{name} resolves to {', '.join(found)}",
                wanted,
                "what registers with its own name would be known as loopback to the others",
                "nothing to do: the host baseline writes /etc/hosts anew; elsewhere, remove the 127.0.1.1 line",
            )
        elif found and wanted not in found and name != subject.facts.hostname:
            yield subject.error(
                f"{name} resolves to {', '.join(found)}",
                wanted,
                "DNS or the hosts file knows another machine by this name",
                "correct the address in the topology or the record; two machines must not share a name",
            )


def reverse_names(subject: Subject) -> Iterator[Finding]:
    """The other way round; no answer at all is as good, the hosts file will have one."""
    found = subject.facts.reverse
    own = {subject.node.name, f"{subject.node.name}.{subject.cluster.domain}", subject.facts.hostname}
    if found and not own & set(found):
        yield subject.warning(
            f"{subject.node.address} resolves back to {', '.join(found)}",
            f"{subject.node.name}.{subject.cluster.domain}",
            "messages and certificates would name another machine",
            "correct the PTR record; inside the cluster the hosts file of the host baseline outweighs it",
        )


def clock(fleet: Fleet) -> Iterator[Finding]:
    """Against the middle of all nodes and this side; only what is certain in spite of the time it took to ask."""
    middles = sorted(sum(subject.facts.clock) / 2 for subject in fleet.subjects.values())
    middle = middles[len(middles) // 2] if middles else 0.0
    for name, subject in fleet.subjects.items():
        low, high = (bound - middle for bound in subject.facts.clock)
        offset = low if low > 0 else high if high < 0 else 0.0
        if abs(offset) > CLOCK_WARNING:
            yield Finding(
                ERROR if abs(offset) > CLOCK_ERROR else WARNING,
                name,
                f"a clock {abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} the other nodes'",
                f"within {CLOCK_WARNING:g} s",
                "certificates are not valid yet or any more, sessions expire, logs are out of order",
                "start time synchronisation there (chronyc tracking), and set the clock once: chronyc makestep",
            )


def same_machine(fleet: Fleet) -> Iterator[Finding]:
    """Two nodes that are one machine, or clones that were never told apart."""
    by_machine = defaultdict(list)
    for name, subject in fleet.subjects.items():
        facts = subject.facts
        if facts.machine_id:
            by_machine[facts.machine_id].append((name, facts.boot_id, facts.hostname, facts.addresses))
    for rows in by_machine.values():
        if len(rows) < 2:
            continue
        first, *others = rows
        names = ", ".join(row[0] for row in rows)
        one = any(row[1:] == first[1:] for row in others)
        yield Finding(
            ERROR if one else WARNING,
            first[0],
            f"the same machine-id on {names}",
            "one of its own on each machine",
            "they are one machine"
            if one
            else "they are copies of one image, and some services take it for an identity",
            "correct the addresses in the topology"
            if one
            else "on each but one: rm /etc/machine-id; systemd-machine-id-setup; reboot",
        )
