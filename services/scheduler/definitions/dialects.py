"""From the fields before API 1.5 to today's: what follows knows only `networks`, `container.portMappings`, `fetch`.

Before 1.5 an application had `uris`, `ports`, `ipAddress`, `container.docker.network` and `.portMappings`. Documents
here have their shape already; they are copied, not changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.scheduler.definitions.errors import Problems

Document = dict[str, Any]

_EXTRACTED = (".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip")
_BRIDGE_NAME = "mesos-bridge"  # Marathon's default of --mesos_bridge_name
_DOCKER_NETWORKS = {"HOST": "host", "BRIDGE": "container/bridge", "USER": "container"}
_OLD_FIELDS = ("uris", "ports", "ipAddress")


def check(app: Mapping[str, Any], problems: Problems, path: str = "") -> None:
    """Reports old and new fields that contradict each other."""
    if app.get("uris") and app.get("fetch"):
        problems.add(f"{path}/uris", "may not be set in conjunction with fetch")
    _check_networks(app, problems, path)
    _check_ports(app, problems, path)
    container = app.get("container", {})
    if container.get("type") == "MESOS":
        for key in ("network", "parameters", "portMappings"):
            if container.get("docker", {}).get(key):
                problems.add(f"{path}/container/docker/{key}", "must be empty for Mesos containers")


def _check_networks(app: Mapping[str, Any], problems: Problems, path: str) -> None:
    container = app.get("container", {})
    address = app.get("ipAddress")
    if container.get("docker", {}).get("network") and app.get("networks"):
        problems.add(path, "must not specify both container.docker.network and networks")
    if address is None:
        return
    if app.get("networks"):
        problems.add(path, "must not specify both networks and ipAddress")
    if app.get("ports") or app.get("portDefinitions"):
        problems.add(path, "cannot specify both an IP address and port")
    if address.get("discovery", {}).get("ports"):
        if "container" in app and container.get("type", "DOCKER") == "DOCKER":
            problems.add(f"{path}/ipAddress", "ipAddress/discovery is not allowed for Docker containers")
        elif container.get("portMappings"):
            error = "container.portMappings and ipAddress.discovery.ports must not both be set"
            problems.add(f"{path}/container", error)


def _check_ports(app: Mapping[str, Any], problems: Problems, path: str) -> None:
    fixed = [port for port in app.get("ports", []) if port]
    definitions = app.get("portDefinitions")
    container = app.get("container", {})
    if len(set(fixed)) != len(fixed):
        problems.add(path, "ports must be unique")
    if app.get("ports") and definitions and app["ports"] != [each.get("port", 0) for each in definitions]:
        problems.add(path, "cannot specify both ports and port definitions")
    if container.get("docker", {}).get("portMappings") and container.get("portMappings"):
        problems.add(f"{path}/container", "cannot specify both portMappings and docker.portMappings")


def canonical(app: Mapping[str, Any]) -> Document:
    """The same document without old fields. Says nothing about ports or networks that nobody wrote."""
    new = {key: value for key, value in app.items() if key not in _OLD_FIELDS}
    if app.get("uris"):
        new["fetch"] = [{"uri": uri, "extract": uri.endswith(_EXTRACTED)} for uri in app["uris"]]
    address = app.get("ipAddress")
    networks = _networks(address, app.get("container", {}).get("docker", {}).get("network"))
    if networks is not None:
        new["networks"] = networks
    if "container" in app:
        new["container"] = _container(app["container"], address)
    elif address is not None:
        new["container"] = _container({"type": "MESOS"}, address)
    if "ports" in app and "portDefinitions" not in app:
        new["portDefinitions"] = [{"port": port} for port in app["ports"]]
    return new


def with_port_defaults(app: Mapping[str, Any]) -> Document:
    """A whole application (canonical) with the ports its network mode calls for.

    Host: port definitions, one unnamed number by default. Otherwise: as many container port mappings as there are port
    definitions, at least the default one unless an empty list was written; a bridge maps them all to the host.
    """
    new = dict(app)
    networks = new.get("networks") or [{"mode": "host"}]
    new["networks"] = networks
    modes = {network.get("mode", "container") for network in networks}
    container = dict(new["container"]) if "container" in new else None
    if "host" in modes:
        if container is not None:
            container.pop("portMappings", None)
            new["container"] = container
        new.setdefault("portDefinitions", [{"port": 0, "name": "default"}])
        return new
    container = container if container is not None else {"type": "MESOS"}
    mappings = list(container["portMappings"]) if "portMappings" in container else [{"name": "default"}]
    mappings += [{} for _ in range(len(new.pop("portDefinitions", [])) - len(mappings))]
    if "container/bridge" in modes:
        mappings = [{"hostPort": 0, **mapping} for mapping in mappings]
    new["container"] = {**container, "portMappings": mappings}
    new["requirePorts"] = False
    return new


def _networks(address: Mapping[str, Any] | None, docker_network: str | None) -> list[Document] | None:
    """What `ipAddress` and `container.docker.network` say together; None if neither is there."""
    if address is None and docker_network is None:
        return None
    mode = _DOCKER_NETWORKS[docker_network] if docker_network else "container"
    name = (address or {}).get("networkName")
    if not docker_network and name == _BRIDGE_NAME:
        mode = "container/bridge"
    network: Document = {"mode": mode}
    if mode == "container" and name:
        network["name"] = name
    if mode != "host" and (address or {}).get("labels"):
        network["labels"] = (address or {})["labels"]
    return [network]


def _container(container: Mapping[str, Any], address: Mapping[str, Any] | None) -> Document:
    new = dict(container)
    if "docker" in new:
        docker = dict(new["docker"])
        docker.pop("network", None)
        mappings = docker.pop("portMappings", None)
        if mappings is not None and not new.get("portMappings"):
            new["portMappings"] = mappings
        new["docker"] = docker
    discovered = (address or {}).get("discovery", {}).get("ports")
    if discovered:
        # The old interface did not map ports of a container to the host.
        new["portMappings"] = [
            {
                "containerPort": port.get("number", 0),
                **{key: port[key] for key in ("name", "protocol", "labels") if key in port},
            }
            for port in discovered
        ]
    return new
