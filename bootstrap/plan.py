"""Cluster -> Plan. Pure: no I/O, no clock, nothing random; the same cluster always gives the same plan.

Whatever can be derived is derived here, once: the graph of phases, quorum, connect strings, URLs, who
gets which secret. Salt's states and the tests only look it up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bootstrap import scraping
from bootstrap.model import ADMIN_ROLE, BASE_ROLE, Cluster, Node, Role

# These come before the roles, each after the one before it; `verify` comes after all roles.
_FIRST = ("machines", "artifacts", "preflight", "salt")
_ZOOKEEPER = "zookeeper"
_MASTER = "mesos-master"
_MARATHON = "marathon"
_INGRESS = "ingress"
_AGENT = "mesos-agent"
_ELASTICSEARCH = "elasticsearch"
_LOGS = "logs"
_AGGREGATOR = "log-aggregator"
_SHIPPER = "fluentd"  # the provider of logs that can send to aggregators
_SHIPPER_LOGIN = "elasticsearch-shipper"
_CA = "/etc/utopia/ca.crt"  # of the environment, on every node
_OWN_UNITS = ("log-canary", "salt-api", "salt-master", "salt-minion")  # beside those of the roles
# In ZooKeeper.
_MESOS_PATH = "/mesos"
_MARATHON_PATH = "/marathon"
_RULES_PATH = "/marathon-haproxy/state"  # where Bamboo's users have theirs
_SMOKE_ROLES = (_MARATHON, _INGRESS, _AGENT)  # with all of them an application can be deployed and called


@dataclass(frozen=True, slots=True)
class Phase:
    """A named step. `needs`: phases that end first. `components`: folders of salt/, in order, on `nodes`."""

    name: str
    kind: str  # machines, artifacts, preflight, salt, role, seal, smoke or verify: a module of bootstrap/phases/
    needs: tuple[str, ...]
    nodes: tuple[str, ...]
    role: str | None = None
    components: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `plan --json`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "needs": list(self.needs),
            "role": self.role,
            "components": list(self.components),
            "nodes": list(self.nodes),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What `bootstrap plan` prints and `bootstrap cluster` executes.

    `pillar`: what every minion sees. `node_pillar`: node -> what it alone sees, but for the secrets.
    `secrets`: node -> names of its secrets. `artifacts`: names of what the nodes take from the store.
    `certificates`: node -> the names that its certificate is valid for, for nodes that get one.
    """

    env: str
    cluster: Cluster
    phases: tuple[Phase, ...]
    pillar: Mapping[str, Any]
    node_pillar: Mapping[str, Mapping[str, Any]]
    secrets: Mapping[str, tuple[str, ...]]
    artifacts: tuple[str, ...]
    certificates: Mapping[str, tuple[str, ...]]

    def as_json(self) -> dict[str, Any]:
        """The whole plan; it holds names of secrets and no secret."""
        return {
            "env": self.env,
            "driver": self.cluster.driver,
            "production": self.cluster.production,
            "phases": [phase.as_json() for phase in self.phases],
            "artifacts": list(self.artifacts),
            "pillar": dict(self.pillar),
            "nodes": {
                name: {**pillar, "secrets": list(self.secrets[name])} for name, pillar in self.node_pillar.items()
            },
        }


def make(cluster: Cluster) -> Plan:
    """Derive everything from a validated cluster."""
    used = _roles_in_use(cluster)
    if _logs(cluster)["aggregators"]:  # who sends to them has no login of the index
        used = tuple(_without(role, _SHIPPER_LOGIN) if role.name == _LOGS else role for role in used)
    kinds: dict[tuple[str, ...], tuple[list[str], tuple[str, ...]]] = {}
    for node in cluster.nodes:
        if node.roles not in kinds:
            kinds[node.roles] = _of_roles(used, node.roles)
    return Plan(
        env=cluster.env,
        cluster=cluster,
        phases=_phases(cluster, used),
        pillar=_pillar(cluster),
        node_pillar=_node_pillar(cluster, kinds),
        secrets={node.name: kinds[node.roles][1] for node in cluster.nodes},
        artifacts=_once(name for role in used for name in role.artifacts),
        certificates=dict(_certificates(cluster, used)),
    )


def _roles_in_use(cluster: Cluster) -> tuple[Role, ...]:
    """Those that a node has, every role after those it needs; otherwise in the order of the table."""
    present = {BASE_ROLE, *(role for node in cluster.nodes for role in node.roles)}
    ordered: dict[str, Role] = {}

    def place(name: str) -> None:
        if name in ordered or name not in present:
            return
        role = cluster.roles[name]
        for before in role.before:
            place(before)
        ordered[name] = role

    place(BASE_ROLE)
    for name in cluster.roles:
        place(name)
    return tuple(ordered.values())


def _phases(cluster: Cluster, used: tuple[Role, ...]) -> tuple[Phase, ...]:
    everyone = tuple(node.name for node in cluster.nodes)
    admins = tuple(node.name for node in cluster.with_role(ADMIN_ROLE))
    phases: list[Phase] = []
    for name in _FIRST:
        after = (phases[-1].name,) if phases else ()
        phases.append(Phase(name, name, after, admins if name == "artifacts" else everyone))
    present = {role.name for role in used}
    closed = is_closed(cluster)
    base = cluster.roles[BASE_ROLE].components if BASE_ROLE in cluster.roles else ()
    for role in sorted(used, key=lambda role: role.name != ADMIN_ROLE) if closed else used:
        needs = _once(other for other in role.before if other in present)
        components = role.components
        if role.name == BASE_ROLE:
            needs = (ADMIN_ROLE,) if closed else (_FIRST[-1],)
        elif closed:  # the admin node serves the packages of all others, so it comes before them
            needs = (_FIRST[-1],) if role.name == ADMIN_ROLE else _once((*needs, BASE_ROLE))
            components = (*base, *components) if role.name == ADMIN_ROLE else components
        nodes = tuple(node.name for node in cluster.with_role(role.name))
        phases.append(Phase(role.name, "role", needs or (BASE_ROLE,), nodes, role.name, components))
        phases += _additions(cluster, role)
    awaited = {need for phase in phases for need in phase.needs}
    last = tuple(phase.name for phase in phases if phase.name not in awaited)
    proofs = [Phase("seal", "seal", last, everyone)]
    if present.issuperset(_SMOKE_ROLES):
        edges = tuple(node.name for node in cluster.with_role(_INGRESS))
        proofs.append(Phase("smoke", "smoke", last, edges))
    return (*phases, *proofs, Phase("verify", "verify", tuple(proof.name for proof in proofs), everyone))


def _additions(cluster: Cluster, role: Role) -> Iterator[Phase]:
    """What the role adds beside others comes after it, on the nodes that have both."""
    for addition in role.additions:
        both = tuple(node.name for node in cluster.with_role(role.name) if addition.role in node.roles)
        if both:
            name = f"{role.name}+{addition.role}"
            yield Phase(name, "role", (role.name,), both, role.name, addition.components)


def _pillar(cluster: Cluster) -> dict[str, Any]:
    return {
        "env": cluster.env,
        "domain": cluster.domain,
        "network": str(cluster.network),
        "production": cluster.production,
        "lab": cluster.lab,
        "hosts": [{"name": node.name, "address": str(node.address)} for node in cluster.nodes],
        "zookeeper": _zookeeper(cluster),
        "mesos": _mesos(cluster),
        "marathon": _marathon(cluster),
        "ingress": _ingress(cluster),
        "elasticsearch": _elasticsearch(cluster),
        "logs": _logs(cluster),
        "artifacts": {"url": _artifacts_url(cluster), "files": {}},  # the artifacts phase knows the files
        "settings": {component: dict(values) for component, values in cluster.settings.items()},
    }


def _zookeeper(cluster: Cluster) -> dict[str, Any]:
    members = sorted(cluster.with_role(_ZOOKEEPER), key=lambda node: node.zookeeper_id or 0)
    port = _port(cluster, _ZOOKEEPER, "client")
    return {
        "ensemble": [{"id": node.zookeeper_id, "name": node.name, "address": str(node.address)} for node in members],
        "connect": ",".join(f"{node.address}:{port}" for node in members),
    }


def _mesos(cluster: Cluster) -> dict[str, Any]:
    masters = cluster.with_role(_MASTER)
    return {
        "cluster": cluster.env,
        "zk_path": _MESOS_PATH,
        "quorum": len(masters) // 2 + 1 if masters else 0,
        "masters": [{"name": node.name, "address": str(node.address)} for node in masters],
    }


def _marathon(cluster: Cluster) -> dict[str, Any]:
    port = _port(cluster, _MARATHON, "http")
    return {
        "zk_path": _MARATHON_PATH,
        "port": port,
        "endpoints": [f"http://{node.address}:{port}" for node in cluster.with_role(_MARATHON)],
    }


def _ingress(cluster: Cluster) -> dict[str, Any]:
    ports = ("http", "https", "api")
    return {"zk_path": _RULES_PATH, "ports": {name: _port(cluster, _INGRESS, name) for name in ports}}


def _elasticsearch(cluster: Cluster) -> dict[str, Any]:
    members = cluster.with_role(_ELASTICSEARCH)
    return {
        "members": {node.name: str(node.address) for node in members},
        "port": _port(cluster, _ELASTICSEARCH, "http"),
        "transport_port": _port(cluster, _ELASTICSEARCH, "transport"),
        # The provider's first artifact is the server itself.
        "artifact": cluster.roles[_ELASTICSEARCH].artifacts[0] if members else "",
    }


def _logs(cluster: Cluster) -> dict[str, Any]:
    """Aggregators are ours, by address and the name in their certificate, or somebody else's."""
    port, ours = _port(cluster, _AGGREGATOR, "forward"), cluster.with_role(_AGGREGATOR)
    fluentd = cluster.settings.get(_SHIPPER, {})
    found = [{"name": f"{node.name}.{cluster.domain}", "host": str(node.address), "port": port} for node in ours]
    if not ours and _LOGS in cluster.roles and cluster.roles[_LOGS].provider == _SHIPPER:
        found = [_theirs(text) for text in fluentd.get("aggregators", ())]
    ca = _CA if ours else fluentd.get("aggregators_ca", _CA)
    return {"units": _units(cluster), "aggregators": found, "aggregators_ca": ca, "aggregator_port": port}


def _theirs(text: str) -> dict[str, Any]:
    """Of `host:port`. A certificate is not looked at for an address, which may be of any machine of theirs."""
    host, _, port = text.rpartition(":")
    named = not host.replace(".", "").isdigit()
    return {"name": host if named else "", "host": host, "port": int(port)}


def _units(cluster: Cluster) -> list[str]:
    """The services of the platform: what they write to the journal is shipped with the containers' lines."""
    silent = (_LOGS, _AGGREGATOR)  # a shipper is not told of itself
    shipped = [role for role in _roles_in_use(cluster) if role.name not in silent]
    services = {service for role in shipped for service in role.beside_roles(cluster.roles).restart}
    return [f"{service}.service" for service in sorted({*services, *_OWN_UNITS})]


def _certificates(cluster: Cluster, used: tuple[Role, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in cluster.nodes:
        names = _once(name for role in used if role.name in node.roles for name in role.names)
        if names:
            own = (f"{node.name}.{cluster.domain}", node.name)
            yield node.name, _once((*(name.format(domain=cluster.domain) for name in names), *own))


def is_closed(cluster: Cluster) -> bool:
    """Whether the nodes have no source of packages but the admin node."""
    return cluster.settings.get(BASE_ROLE, {}).get("apt_from_admin") is True


def _artifacts_url(cluster: Cluster) -> str:
    admin = cluster.with_role(ADMIN_ROLE)[0]
    return f"https://{admin.address}:{_port(cluster, ADMIN_ROLE, 'artifacts')}"


def _port(cluster: Cluster, role: str, name: str) -> int:
    """A port of the role table; 0 where the role has none of that name."""
    ports = cluster.roles[role].ports if role in cluster.roles else ()
    return next((port.number for port in ports if port.name == name), 0)


def _node_pillar(
    cluster: Cluster, kinds: Mapping[tuple[str, ...], tuple[list[str], tuple[str, ...]]]
) -> dict[str, dict[str, Any]]:
    exporters = {node.name: scraping.of_node(cluster, node, kinds[node.roles][1]) for node in cluster.nodes}
    pillars = {node.name: {"node": _node(node), "components": kinds[node.roles][0]} for node in cluster.nodes}
    for node in cluster.nodes:
        if exporters[node.name]:
            pillars[node.name]["monitoring"] = exporters[node.name]
        if server := scraping.of_server(cluster, node, exporters):
            pillars[node.name]["alerts"] = server
    return pillars


def _node(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "address": str(node.address),
        "roles": list(node.roles),
        "zookeeper_id": node.zookeeper_id,
        "attributes": dict(node.attributes),
        "resources": dict(node.resources),
    }


def _of_roles(used: tuple[Role, ...], names: tuple[str, ...]) -> tuple[list[str], tuple[str, ...]]:
    """Components in the order of the phases, and secrets, of a node with these roles."""
    roles = [role for role in used if role.name in names or role.name == BASE_ROLE]
    components = _once(component for role in roles for component in role.beside_roles(names).components)
    return list(components), _once(secret for role in roles for secret in role.secrets)


def _without(role: Role, secret: str) -> Role:
    return replace(role, secrets=tuple(name for name in role.secrets if name != secret))


def _once(names: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
