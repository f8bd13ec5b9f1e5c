"""What differs between HAProxy and the layout, as lines that make it equal."""

from __future__ import annotations

from services.router.haproxy import commands, runtime
from services.router.haproxy.layout import Drain, Fill, Put, Remove
from services.router.haproxy.model import Layout, Section, Slot
from services.router.haproxy.runtime import Runtime, ServerState


async def differences(worker: Runtime, layout: Layout, maps_dir: str) -> list[str]:
    """The lines to send. Raises RuntimeSocketError, also when HAProxy has not the sections of the layout."""
    have = await runtime.servers(worker)
    lines: list[str] = []
    for section in layout.sections.values():
        for slot in section.slots:
            state = have.get((section.name, slot.name))
            if state is None:
                raise runtime.RuntimeSocketError(f"HAProxy has no server {section.name}/{slot.name}")
            lines += _server(section, slot, state)
    for name, entries in layout.maps.items().items():
        found = await runtime.map_entries(worker, f"{maps_dir}/{name}.map")
        for key, value in entries.items():
            if found.get(key) != value:
                lines += commands.of(Put(name, key, value, key in found), maps_dir)
        for key in found.keys() - entries.keys():
            lines += commands.of(Remove(name, key), maps_dir)
    return lines


def _server(section: Section, slot: Slot, state: ServerState) -> list[str]:
    if slot.state == "ready" and slot.server is not None:
        same = (state.address, state.port) == (slot.server.address, slot.server.port)
        return [] if same and state.takes_traffic else commands.of(Fill(section.name, slot.name, slot.server), "")
    if not state.takes_traffic:
        return []
    if slot.state == "draining":
        return commands.of(Drain(section.name, slot.name, section.shape.sticky), "")
    return [commands.maintenance(section.name, slot.name)]
