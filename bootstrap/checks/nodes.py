"""Rules about names and addresses."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from ipaddress import IPv4Network

from bootstrap import ranges
from bootstrap.checks.draft import Draft, Entry
from bootstrap.checks.finding import Finding
from bootstrap.model import LAB_DRIVERS

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_RESERVED = ("localhost", "ip6-localhost", "ip6-loopback", "ip6-allnodes", "ip6-allrouters", "broadcasthost")
_LONGEST_LABEL, _LONGEST_NAME = 63, 253  # characters, RFC 1035


def environment(draft: Draft) -> Iterator[Finding]:
    """The environment's name becomes part of container, network and folder names."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", draft.env) or draft.env.endswith("-"):
        yield draft.finding(
            (),
            draft.env,
            "the name of the file's folder names the environment, and cannot be a name",
            "rename the folder: lower-case letters, digits and hyphens, a letter first, at most 31 characters",
        )


def domain(draft: Draft) -> Iterator[Finding]:
    """A DNS name of lower-case labels."""
    if draft.domain is None:
        return
    labels = draft.domain.split(".")
    wrong = next((label for label in labels if _label_fault(label)), None)
    if wrong is not None:
        yield draft.finding(
            ("domain",), draft.domain, f"not a domain: {_label_fault(wrong)}", "write something like prod.example.com"
        )
    elif labels[-1].isdigit() or draft.domain in _RESERVED:
        yield draft.finding(
            ("domain",), draft.domain, "not a domain that nodes can be in", "write something like prod.example.com"
        )
    elif labels[-1] == "local":
        yield draft.finding(
            ("domain",),
            draft.domain,
            "names under .local are looked up by multicast DNS on many machines",
            "use another last part, such as local.utopia",
            severity="warning",
        )


def names(draft: Draft) -> Iterator[Finding]:
    """A node's name is its hostname and its Salt minion's id."""
    tail = len(draft.domain) + 1 if draft.domain else 0
    for entry in draft.entries:
        if len(entry.names) == 1 and ranges.is_range(entry.names[0]):
            continue  # a malformed range has been reported already
        fault = next((fault for name in entry.names if (fault := _name_fault(name, tail))), None)
        if fault:
            yield draft.finding(entry.keys, None, *fault)


def duplicate_names(draft: Draft) -> Iterator[Finding]:
    """A name belongs to one node."""
    pairs = ((entry, name) for entry in draft.entries for name in entry.names)
    for entry, first, shared in _shared(pairs):
        more = "" if len(shared) == 1 else f" and {len(shared) - 1} more"
        yield draft.finding(
            entry.keys,
            None,
            f"the name {shared[0]}{more} is taken by {first.key}",
            "give every node a name of its own",
        )


def duplicate_addresses(draft: Draft) -> Iterator[Finding]:
    """An address belongs to one node."""
    pairs = ((entry, address) for entry in draft.entries for address in entry.addresses)
    for entry, first, shared in _shared(pairs):
        more = "" if len(shared) == 1 else f" and {len(shared) - 1} more"
        yield draft.finding(
            (*entry.keys, "address"),
            entry.pattern,
            f"the address {shared[0]}{more} is taken by {first.key}",
            "give every node an address of its own",
        )


def network(draft: Draft) -> Iterator[Finding]:
    """The network is one that machines can be in."""
    if draft.network is None:
        return
    text = str(draft.network)
    if draft.network.is_loopback or draft.network.is_multicast or draft.network.is_link_local:
        yield draft.finding(("network",), text, "nodes cannot be in this network", "use a private one: 10.20.0.0/16")
    elif draft.network.prefixlen > 30:
        yield draft.finding(("network",), text, "has no room for nodes", "use a prefix length of 30 or less")


def addresses(draft: Draft) -> Iterator[Finding]:
    """Every address lies in the network and is one that a machine can have."""
    if draft.network is None or draft.network.prefixlen > 30:
        return
    for entry in draft.entries:
        outside = [address for address in entry.addresses if address not in draft.network]
        if outside:
            others = " is" if len(outside) == 1 else f" and {len(outside) - 1} more are"
            yield draft.finding(
                (*entry.keys, "address"),
                entry.pattern,
                f"{outside[0]}{others} outside the network {draft.network}",
                "correct the address, or widen network",
            )
        taken = _taken(draft.network, draft.driver)
        for address in entry.addresses:
            what = taken.get(int(address))
            if what:
                message = f"{address} is {what}"
                yield draft.finding((*entry.keys, "address"), entry.pattern, message, "use another address")


def _taken(network: IPv4Network, driver: str | None) -> dict[int, str]:
    taken = {
        int(network.network_address): f"the address of the network {network} itself",
        int(network.broadcast_address): f"the broadcast address of the network {network}",
    }
    if driver in LAB_DRIVERS:
        taken[int(network.network_address) + 1] = "the host's own address in the network that Docker makes"
    return taken


def _shared(pairs: Iterable[tuple[Entry, Hashable]]) -> list[tuple[Entry, Entry, list[Hashable]]]:
    """Members that are there twice, per pair of entries: the later one, the earlier one, what they share."""
    owner: dict[Hashable, Entry] = {}
    shared: dict[tuple[str, str], tuple[Entry, Entry, list[Hashable]]] = {}
    for entry, member in pairs:
        if member in owner:
            first = owner[member]
            shared.setdefault((entry.key, first.key), (entry, first, []))[2].append(member)
        else:
            owner[member] = entry
    return list(shared.values())


def _name_fault(name: str, tail: int) -> tuple[str, str] | None:
    fault = _label_fault(name)
    if fault:
        tidy = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:_LONGEST_LABEL].strip("-")
        if "." in name:
            return "not a hostname: the domain is added by itself", f"write {name.partition('.')[0].lower()}"
        return f"not a hostname: {fault}", f"write {tidy}" if tidy else "use lower-case letters, digits and hyphens"
    if name in _RESERVED:
        return f"{name} is every machine's name for itself", "choose another name"
    if name.isdigit():
        return f"{name} would be taken for a number or an address", f"write node-{name}"
    if len(name) + tail > _LONGEST_NAME:
        return f"with the domain it has {len(name) + tail} characters, more than {_LONGEST_NAME}", "shorten the name"
    return None


def _label_fault(label: str) -> str:
    """What is wrong with one part of a DNS name, "" = nothing."""
    if not label:
        return "a part is empty"
    if len(label) > _LONGEST_LABEL:
        return f"{len(label)} characters, more than {_LONGEST_LABEL}"
    if label != label.lower():
        return f"{label} has upper-case letters"
    if _LABEL.fullmatch(label):
        return ""
    if label.startswith("-") or label.endswith("-"):
        return f"{label} begins or ends with a hyphen"
    wrong = next((char for char in label if not re.fullmatch(r"[a-z0-9-]", char)), "")
    return f"{label} has {'a space' if wrong.isspace() else wrong} in it"
