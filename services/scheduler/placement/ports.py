"""Host ports out of the ranges that an agent offers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.scheduler.definitions.app import App, PortMapping

from .offer import Resource


@dataclass(frozen=True, slots=True)
class Slot:
    """A port of the application. `host_port` None: none on the host, 0: any, else exactly this one."""

    host_port: int | None
    protocol: str = "tcp"


class FreePorts:
    """The ports of one offered resource that are not taken yet."""

    __slots__ = ("ranges", "resource")

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.ranges = list(resource.ranges)

    def __len__(self) -> int:
        return sum(end - begin + 1 for begin, end in self.ranges)

    def __contains__(self, port: int) -> bool:
        return any(begin <= port <= end for begin, end in self.ranges)

    def take(self, port: int) -> None:
        """Remove one; ValueError if it is not there."""
        for index, (begin, end) in enumerate(self.ranges):
            if begin <= port <= end:
                rest = [span for span in ((begin, port - 1), (port + 1, end)) if span[0] <= span[1]]
                self.ranges[index : index + 1] = rest
                return
        raise ValueError(f"port {port} is not free")


def slots(app: App) -> tuple[Slot, ...]:
    """The ports that an application wants, in the order of its port list."""
    mappings = port_mappings(app)
    if mappings is not None:
        return tuple(Slot(mapping.host_port, mapping.protocol) for mapping in mappings)
    return tuple(Slot(d.port if app.require_ports else 0, d.protocol) for d in app.port_definitions)


def port_mappings(app: App) -> tuple[PortMapping, ...] | None:
    """The mappings of an application in a container network; None if it shares the host's."""
    if all(network.mode == "host" for network in app.networks):
        return None
    return app.container.port_mappings if app.container else ()


def choose(wanted: Sequence[Slot], free: Sequence[FreePorts], rng: random.Random) -> list[int | None] | None:
    """A host port for each slot (None where none is wanted); None if they cannot all be had.

    Ports that are not fixed follow each other from a random start: a port is not soon used again by somebody
    else, and the offered ranges stay whole. Two slots may share a fixed port if their protocols differ.
    """
    fixed: dict[int, set[str]] = {}
    for slot in wanted:
        if slot.host_port:
            protocols = set(slot.protocol.split(","))
            if fixed.get(slot.host_port, set()) & protocols or not any(slot.host_port in part for part in free):
                return None
            fixed.setdefault(slot.host_port, set()).update(protocols)
    others = (port for port in _from_random_start(free, rng) if port not in fixed)
    chosen: list[int | None] = []
    for slot in wanted:
        if slot.host_port == 0:
            port = next(others, None)
            if port is None:
                return None
            chosen.append(port)
        else:
            chosen.append(slot.host_port)
    return chosen


def assigned(mapping: PortMapping, host_port: int | None, task_id: str, taken: set[int]) -> PortMapping:
    """The mapping with the ports of one task. Without any port given, it gets one inside the container.

    That one follows from the task's id, so that all who ask get the same, and is none of `taken`.
    """
    container_port = mapping.container_port or host_port
    if not container_port:
        rng = random.Random(f"{task_id} {sorted(taken)}")  # noqa: S311 (nothing to guess: it is in the task's environment)
        container_port = next(port for port in iter(lambda: rng.randint(1025, 65535), 0) if port not in taken)
    return replace(mapping, container_port=container_port, host_port=host_port)


def _from_random_start(free: Sequence[FreePorts], rng: random.Random) -> Iterator[int]:
    spans = [span for part in free for span in part.ranges]
    total = sum(end - begin + 1 for begin, end in spans)
    if not total:
        return
    start = rng.randrange(total)
    for index, (begin, end) in enumerate(spans):
        size = end - begin + 1
        if start < size:
            yield from range(begin + start, end + 1)
            for next_begin, next_end in (*spans[index + 1 :], *spans[:index]):
                yield from range(next_begin, next_end + 1)
            yield from range(begin, begin + start)
            return
        start -= size
