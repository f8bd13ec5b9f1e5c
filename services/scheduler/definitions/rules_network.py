"""Rules over networks and ports of an application."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import Problems


def check(app: App, problems: Problems) -> None:
    """Reports networks that do not go together, and ports that clash."""
    modes = Counter(network.mode for network in app.networks)
    if any(network.mode == "host" and (network.name or network.labels) for network in app.networks):
        problems.add("/networks", "Host networks may not have names or labels")
    if any(network.mode == "container/bridge" and network.name for network in app.networks):
        problems.add("/networks", "Bridge networks may not have names")
    if len(modes) > 1 or modes["host"] > 1 or modes["container/bridge"] > 1:
        error = "May specify a single host network, single bridge network, or else 1-to-n container networks"
        problems.add("/networks", error)
    if _repeated(network.name for network in app.networks):
        problems.add("/networks", "Duplicate networks are not allowed")
    if any(network.mode == "container" and network.name is None for network in app.networks):
        problems.add("/networks", "Network name must be specified when container network is selected.")
    if app.container and app.container.type == "DOCKER" and modes["container"] > 1:
        error = "may only specify a single container network when using the Docker container engine"
        problems.add("/networks", error)
    _check_definitions(app, problems)
    _check_mappings(app, modes["container"] > 1, problems)


def port_names(app: App) -> list[str | None]:
    """The name, if any, of each of the application's ports, in the order of `portIndex`."""
    if app.container and any(network.mode != "host" for network in app.networks):
        return [mapping.name for mapping in app.container.port_mappings]
    return [definition.name for definition in app.port_definitions]


def _check_definitions(app: App, problems: Problems) -> None:
    if _repeated(definition.name for definition in app.port_definitions):
        problems.add("/portDefinitions", "Port names must be unique.")
    if _repeated(definition.port or None for definition in app.port_definitions):
        problems.add("/portDefinitions", "Ports must be unique.")


def _check_mappings(app: App, several: bool, problems: Problems) -> None:
    if app.container is None:
        return
    mappings = app.container.port_mappings
    if _repeated(mapping.name for mapping in mappings):
        problems.add("/container/portMappings", "Port names must be unique.")
    host_ports = [(each.host_port, word) for each in mappings if each.host_port for word in each.protocol.split(",")]
    if _repeated(host_ports):
        problems.add("/container/portMappings", "Host ports must be unique.")
    known = {network.name for network in app.networks}
    for index, mapping in enumerate(mappings):
        path = f"/container/portMappings({index})"
        strangers = [name for name in mapping.network_names if name not in known]
        if strangers:
            problems.add(f"{path}/networkNames", f"not a network of this application: {', '.join(strangers)}")
        if several and mapping.host_port is not None and len(mapping.network_names) != 1:
            problems.add(
                path,
                "networkNames must be a single item list when hostPort is specified "
                "and more than 1 container network is defined",
            )


def _repeated(values: Iterable[object]) -> bool:
    given = [value for value in values if value is not None]
    return len(given) != len(set(given))
