"""Service ports: every port of an application has a number of its own in the cluster, for routers to listen on.

In host networking it is the port of the port definition, otherwise the service port of the port mapping.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import not_valid
from services.scheduler.definitions.group import Group
from services.scheduler.definitions.rules_network import port_names


def assign(app: App, used: Collection[int], low: int = 10000, high: int = 20000) -> App:
    """The application with each service port 0 replaced by a free one of `low`…`high`.

    `used`: those of all other applications. The same application if none is 0. Raises `InvalidDefinition` (422)
    when all are taken.
    """
    wanted = app.service_ports
    if 0 not in wanted:
        return app
    taken = set(used) | set(wanted)
    free = (port for port in range(low, high + 1) if port not in taken)
    ports = [port or next(free, 0) for port in wanted]
    if 0 in ports:
        raise not_valid("/ports", f"no service port is free between {low} and {high}")
    return with_service_ports(app, ports)


def assign_all(root: Group, low: int = 10000, high: int = 20000) -> Group:
    """The tree with every service port 0 replaced, as by `assign`; versions stay."""
    used = {port for app in root.all_apps().values() for port in app.service_ports}
    for app in root.all_apps().values():
        assigned = assign(app, used, low, high)
        if assigned is not app:
            used.update(assigned.service_ports)
            root = root.with_app(assigned)
    return root


def keep(app: App, old: App, low: int = 10000, high: int = 20000) -> App:
    """The application with the service ports its former definition was given, where the new one leaves them open.

    A port keeps the number of the one of the same name; the others take those left over, in their order.
    """
    wanted = app.service_ports
    if 0 not in wanted:
        return app
    left = [port for port in old.service_ports if low <= port <= high and port not in wanted]
    named = {name: port for name, port in zip(port_names(old), old.service_ports, strict=True) if name and port in left}
    ports = list(wanted)
    for index, name in enumerate(port_names(app)):
        if ports[index] == 0 and name in named:
            ports[index] = named[name]
            left.remove(named[name])
    for index, port in enumerate(ports):
        if port == 0 and left:
            ports[index] = left.pop(0)
    return with_service_ports(app, ports)


def with_service_ports(app: App, ports: Sequence[int]) -> App:
    """The application with these service ports, one for each of its ports."""
    if app.container and any(network.mode != "host" for network in app.networks):
        mappings = zip(app.container.port_mappings, ports, strict=True)
        container = replace(
            app.container,
            port_mappings=tuple(replace(mapping, service_port=port) for mapping, port in mappings),
        )
        return replace(app, container=container)
    definitions = zip(app.port_definitions, ports, strict=True)
    return replace(app, port_definitions=tuple(replace(definition, port=port) for definition, port in definitions))
