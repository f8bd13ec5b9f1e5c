"""HAProxy and the layout made equal: by lines for HAProxy, or by adopting what it has when the router starts."""

from __future__ import annotations

from services.router.haproxy import commands, runtime
from services.router.haproxy.layout import Drain, Fill, Put, Remove
from services.router.haproxy.model import Layout, Maps, Section, Server, Slot, Wanted
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


async def adopt(worker: Runtime, layout: Layout, wanted: Wanted, maps_dir: str) -> None:
    """Put what HAProxy really has into a layout from disk, which may be seconds older. Raises RuntimeSocketError.

    Sending the old layout instead would put addresses of ended tasks back for a moment.
    """
    have = await runtime.servers(worker)
    maps = {}
    for name in Maps().items():
        maps[name] = await runtime.map_entries(worker, f"{maps_dir}/{name}.map")
    layout.maps = Maps(**maps)
    for section in layout.sections.values():
        backend = wanted.backends.get(section.wanted or "")
        tasks = {(one.address, one.port): one for one in (backend.servers if backend else ())}
        for slot in section.slots:
            state = have.get((section.name, slot.name))
            if state is None:
                raise runtime.RuntimeSocketError(f"HAProxy has no server {section.name}/{slot.name}")
            if not state.takes_traffic and not state.draining:
                slot.server, slot.state = None, "free"
                continue
            address = state.address, state.port
            if slot.server is None or (slot.server.address, slot.server.port) != address:
                slot.server = tasks.get(address) or Server(f"{state.address}:{state.port}", *address)
            slot.state = "ready" if state.takes_traffic else "draining"


def _server(section: Section, slot: Slot, state: ServerState) -> list[str]:
    if slot.state == "ready" and slot.server is not None:
        same = (state.address, state.port) == (slot.server.address, slot.server.port)
        return [] if same and state.takes_traffic else commands.of(Fill(section.name, slot.name, slot.server), "")
    if not state.takes_traffic:
        return []
    if slot.state == "draining":
        return commands.of(Drain(section.name, slot.name, section.shape.sticky), "")
    return [commands.maintenance(section.name, slot.name)]
