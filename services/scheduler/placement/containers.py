"""The ContainerInfo of a task: Docker or Mesos, in which network, with which volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.scheduler.definitions.app import App, Container, PortMapping

Json = dict[str, Any]


def container_info(app: App, mappings: Sequence[PortMapping] | None, *, mesos_bridge: str) -> Json | None:
    """None for a plain command. `mappings`: with their ports, None in host networking."""
    container = app.container
    if container and container.type == "DOCKER":
        return _docker(app, container, mappings)
    if container is None and mappings is None and not app.tty:
        return None
    return _mesos(app, container or Container(type="MESOS"), mappings, mesos_bridge)


def _docker(app: App, container: Container, mappings: Sequence[PortMapping] | None) -> Json:
    docker: Json = {
        "image": container.image,
        "network": _docker_network(app),
        "privileged": container.privileged,
        "force_pull_image": container.force_pull_image,
        "parameters": [{"key": key, "value": value} for key, value in container.parameters],
    }
    if mappings:
        docker["port_mappings"] = _host_mappings(mappings)
    result: Json = {"type": "DOCKER", "docker": docker, "volumes": _volumes(container)}
    names = [network for network in app.networks if network.mode == "container"]
    if names:
        result["network_infos"] = [
            {"name": network.name, **({"labels": labels(network.labels)} if network.labels else {})}
            for network in names
        ]
    return result


def _docker_network(app: App) -> str:
    modes = {network.mode for network in app.networks}
    if "container" in modes:
        return "USER"
    return "BRIDGE" if "container/bridge" in modes else "HOST"


def _mesos(app: App, container: Container, mappings: Sequence[PortMapping] | None, bridge: str) -> Json:
    result: Json = {"type": "MESOS", "volumes": _volumes(container)}
    if container.image:
        image = {"type": "DOCKER", "docker": {"name": container.image}, "cached": not container.force_pull_image}
        result["mesos"] = {"image": image}
    if mappings is not None:
        result["network_infos"] = [
            {
                "name": bridge if network.mode == "container/bridge" else network.name,
                **({"labels": labels(network.labels)} if network.labels else {}),
                "port_mappings": _host_mappings(
                    [m for m in mappings if not m.network_names or network.name in m.network_names]
                ),
            }
            for network in app.networks
            if network.mode != "host"
        ]
    if app.tty:
        result["tty_info"] = {}
    return result


def _host_mappings(mappings: Sequence[PortMapping]) -> list[Json]:
    """One for each protocol of those that are on the host."""
    return [
        {"host_port": mapping.host_port, "container_port": mapping.container_port, "protocol": protocol}
        for mapping in mappings
        if mapping.host_port is not None
        for protocol in mapping.protocol.split(",")
    ]


def _volumes(container: Container) -> list[Json]:
    return [
        {"container_path": volume.container_path, "host_path": volume.host_path, "mode": volume.mode}
        for volume in container.volumes
    ]


def labels(pairs: Any) -> Json:
    """A Mesos Labels message from a mapping."""
    return {"labels": [{"key": key, "value": value} for key, value in pairs.items()]}
