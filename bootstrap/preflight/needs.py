"""What the topology asks of each node: the `requires` rows of its roles, and who has to reach whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bootstrap import component_settings
from bootstrap.firewall import EVERY_NODE
from bootstrap.model import BASE_ROLE, CALLERS, Cluster, Node, Port, Role

_MIB_OF_A_TASK = "mem"


@dataclass(frozen=True, slots=True)
class Needs:
    """Of one node: memory in MiB, disk path -> GiB, data path -> role, folders to run from, kernel modules."""

    memory: int
    disk: Mapping[str, int]
    data: Mapping[str, str]
    run: tuple[str, ...]
    modules: tuple[str, ...]
    map_count: int
    open_files: int
    swap: bool

    @property
    def paths(self) -> tuple[str, ...]:
        """All that is to be looked at."""
        return tuple(dict.fromkeys((*self.disk, *self.data, *self.run)))


@dataclass(frozen=True, slots=True)
class Way:
    """`source` connects to a port that `role` has on `target`."""

    source: str
    target: str
    role: str
    port: Port


def of(cluster: Cluster, node: Node) -> Needs:
    """Added up over the roles of a node."""
    roles = _roles(cluster, node)
    disk: dict[str, int] = {}
    for role in roles:
        for path, size in role.requires.disk.items():
            place = resolve(cluster, path)
            disk[place] = disk.get(place, 0) + size
    return Needs(
        memory=sum(role.requires.memory for role in roles) + _offered(node),
        disk=disk,
        data={resolve(cluster, path): role.name for role in roles for path in role.requires.data},
        run=tuple(resolve(cluster, path) for role in roles for path in role.requires.run),
        modules=tuple(module for role in roles for module in role.requires.modules),
        map_count=0 if _without_maps(cluster) else max((role.requires.map_count for role in roles), default=0),
        open_files=max((_files(cluster, role) for role in roles), default=0),
        swap=all(role.requires.swap for role in roles),
    )


def resolve(cluster: Cluster, path: str) -> str:
    """A path, or the value of the setting `component.key...` that has it."""
    if path.startswith("/"):
        return path
    component, *keys = path.split(".")
    for values in (cluster.settings.get(component, {}), component_settings.defaults(component)):
        value: Any = values
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            return value
    raise KeyError(f"no setting {path} has a path")


def ways(cluster: Cluster) -> Iterator[Way]:
    """Who connects to which port of whom: the `callers` of the role table, as far as they are nodes."""
    for role in cluster.roles.values():
        targets = cluster.with_role(role.name)
        for port in role.ports if targets else ():
            for source in _callers(cluster, role, port):
                for target in targets:
                    if port.protocol == "tcp" and source.name != target.name:
                        yield Way(source.name, target.name, role.name, port)


def _callers(cluster: Cluster, role: Role, port: Port) -> Iterable[Node]:
    names = role.callers.get(port.name) or (EVERY_NODE,)
    if EVERY_NODE in names:
        return cluster.nodes
    return {node.name: node for name in names if name not in CALLERS for node in cluster.with_role(name)}.values()


def _roles(cluster: Cluster, node: Node) -> list[Role]:
    return [cluster.roles[name] for name in (BASE_ROLE, *node.roles) if name in cluster.roles]


def _offered(node: Node) -> int:
    """What an agent hands out to tasks has to be there as well."""
    offered = str(node.resources.get(_MIB_OF_A_TASK, ""))
    return int(float(offered)) if offered.replace(".", "", 1).isdigit() else 0


def _without_maps(cluster: Cluster) -> bool:
    config = cluster.settings.get("elasticsearch", {}).get("config", {})
    return config.get("node.store.allow_mmap") is False


def _files(cluster: Cluster, role: Role) -> int:
    pretends = cluster.settings.get("elasticsearch", {}).get("lab_pretend_open_files") is True
    return 0 if role.name == "elasticsearch" and pretends else role.requires.open_files
