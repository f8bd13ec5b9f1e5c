"""From what HAProxy has to what is wanted: by its command line where it can, else by a new layout. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.router.haproxy.model import Backend, Layout, Maps, Section, Server, Shape, Slot, Wanted

PLAIN = Shape()  # of spare sections
STEP = 8  # slots are declared in multiples of it


@dataclass(frozen=True, slots=True)
class Claim:
    """A spare section begins to serve a backend."""

    section: str
    backend: str
    app: str


@dataclass(frozen=True, slots=True)
class Fill:
    """A free slot gets a server and serves."""

    section: str
    slot: str
    server: Server


@dataclass(frozen=True, slots=True)
class Revive:
    """A draining slot serves again: its task came back to health."""

    section: str
    slot: str


@dataclass(frozen=True, slots=True)
class Drain:
    """A slot takes no new requests. `sticky`: clients that hold its cookie must go elsewhere as well."""

    section: str
    slot: str
    sticky: bool


@dataclass(frozen=True, slots=True)
class Put:
    """A key of a map: added, or changed when `exists`."""

    map: str
    key: str
    value: str
    exists: bool


@dataclass(frozen=True, slots=True)
class Remove:
    """A key of a map is gone."""

    map: str
    key: str


Step = Claim | Fill | Revive | Drain | Put | Remove


@dataclass(slots=True)
class Change:
    """`steps` in the order in which they must be taken; `reload` says why they are not enough."""

    steps: list[Step] = field(default_factory=list)
    reload: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.steps and not self.reload


def change(layout: Layout, wanted: Wanted, certificates: str = "") -> Change:
    """What leads from the layout to what is wanted. Servers come before servers go, and before maps point at them."""
    result = Change()
    drains: list[Step] = []
    claimed: dict[str, str] = dict(layout.claims)
    spares = [one for one in layout.sections.values() if one.spare and one.wanted is None and one.is_empty]
    for name, backend in wanted.backends.items():
        section = layout.section_of(name)
        left = layout.sections.get(name)
        if section is None and left and left.wanted is None and left.shape == backend.shape:  # it was here before
            section = left
            result.steps.append(Claim(name, name, backend.app))
            claimed[name] = name
        if section is None and backend.shape == PLAIN and spares and len(backend.servers) <= len(spares[-1].slots):
            section = spares.pop()
            result.steps.append(Claim(section.name, name, backend.app))
            claimed[name] = section.name
        if section is None:
            result.reload.append(f"a section for {backend.app}")
            continue
        if section.shape != backend.shape:
            result.reload.append(f"other settings for {backend.app}")
        filled, drained, missing = _servers(section, backend.servers)
        result.steps += filled
        drains += drained
        if missing:
            result.reload.append(f"{missing} more slots for {backend.app}")
    for name, section_name in layout.claims.items():
        if name not in wanted.backends:
            del claimed[name]
            drains += _servers(layout.sections[section_name], ())[1]
    if layout.acls != wanted.acls:
        result.reload.append("rules")
    if layout.listeners != wanted.listeners:
        result.reload.append("ports")
    if layout.certificates != certificates:
        result.reload.append("certificates")
    result.steps += _map_steps(layout.maps, maps(wanted, claimed))
    result.steps += drains
    return result


def maps(wanted: Wanted, claims: Mapping[str, str]) -> Maps:
    """The maps with the names of sections for those of backends; a backend without a section is left out."""

    def named(entries: Mapping[str, str]) -> dict[str, str]:
        return {key: claims[backend] for key, backend in entries.items() if backend in claims}

    return Maps(
        hosts=named(wanted.maps.hosts),
        paths=named(wanted.maps.paths),
        prefixes=named(wanted.maps.prefixes),
        apps={claims[name]: backend.app for name, backend in wanted.backends.items() if name in claims},
    )


def fresh(
    wanted: Wanted, old: Layout | None, *, spare_backends: int, spare_slots: int, certificates: str = ""
) -> Layout:
    """The layout to load. A server keeps its slot. What drains in the old process is finished by it, not by the new."""
    layout = Layout(acls=wanted.acls, listeners=wanted.listeners, certificates=certificates)
    for name, backend in wanted.backends.items():
        before = old.section_of(name) if old else None
        count = _slot_count(len(backend.servers), len(before.slots) if before else 0, spare_slots)
        layout.sections[name] = _section(backend, before, count)
        layout.claims[name] = name
    for number in range(spare_backends):
        name = f"spare-{number}"
        layout.sections[name] = Section(name, PLAIN, _slots(max(STEP, spare_slots)), spare=True)
    layout.maps = maps(wanted, layout.claims)
    return layout


def apply(layout: Layout, step: Step, now: float = 0.0, drain_seconds: float = 0.0) -> None:
    """Note in the layout that a step was taken. Maps are noted by `note_maps`."""
    if isinstance(step, Put | Remove):
        return
    section = layout.sections[step.section]
    if isinstance(step, Claim):
        section.wanted, section.app = step.backend, step.app
        layout.claims[step.backend] = section.name
        return
    slot = section.slot(step.slot)
    if isinstance(step, Fill):
        slot.server, slot.state = step.server, "ready"
    elif isinstance(step, Revive):
        slot.state = "ready"
    else:
        slot.state, slot.deadline = "draining", now + drain_seconds


def note_maps(layout: Layout, wanted: Wanted) -> None:
    """Note that the map steps were taken, and that backends which are not wanted have no section any more."""
    for name in [name for name in layout.claims if name not in wanted.backends]:
        section = layout.sections[layout.claims.pop(name)]
        section.wanted, section.app = None, ""
    layout.maps = maps(wanted, layout.claims)


def _servers(section: Section, servers: tuple[Server, ...]) -> tuple[list[Step], list[Step], int]:
    wanted = {server.task: server for server in servers}
    steps: list[Step] = []
    drains: list[Step] = []
    for slot in section.slots:
        if slot.server is None:
            continue
        if wanted.get(slot.server.task) == slot.server:
            del wanted[slot.server.task]
            if slot.state == "draining":
                steps.append(Revive(section.name, slot.name))
        elif slot.state == "ready":
            drains.append(Drain(section.name, slot.name, section.shape.sticky))
    free = [slot.name for slot in section.slots if slot.state == "free"]
    steps += [Fill(section.name, name, server) for name, server in zip(free, wanted.values(), strict=False)]
    return steps, drains, max(0, len(wanted) - len(free))


def _map_steps(have: Maps, want: Maps) -> list[Step]:
    steps: list[Step] = []
    for name, entries in want.items().items():
        old = have.items()[name]
        steps += [Put(name, key, value, key in old) for key, value in entries.items() if old.get(key) != value]
        steps += [Remove(name, key) for key in old if key not in entries]
    return steps


def _slot_count(servers: int, before: int, spare: int) -> int:
    """Twice the servers, at least `spare` more than none; as before while that is neither too few nor far too many."""
    aim = -(-max(spare, 2 * servers) // STEP) * STEP
    return before if servers + servers // 4 < before <= 4 * aim else aim


def _section(backend: Backend, before: Section | None, count: int) -> Section:
    slots = _slots(count)
    left = {server.task: server for server in backend.servers}
    for slot, old in zip(slots, before.slots if before else (), strict=False):
        if old.server and left.get(old.server.task) == old.server:
            slot.server, slot.state = left.pop(old.server.task), "ready"
    free = [slot for slot in slots if slot.state == "free"]
    for slot, server in zip(free, left.values(), strict=False):
        slot.server, slot.state = server, "ready"
    return Section(backend.name, backend.shape, slots, wanted=backend.name, app=backend.app)


def _slots(count: int) -> list[Slot]:
    return [Slot(f"s{number}") for number in range(1, count + 1)]
