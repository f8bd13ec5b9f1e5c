"""A sound cluster of three nodes, and what makes it unsound."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from bootstrap import config
from bootstrap.model import Cluster, Node
from bootstrap.preflight import needs
from bootstrap.preflight.facts import NodeFacts, Place
from bootstrap.preflight.finding import Finding
from bootstrap.preflight.inspection import judge
from bootstrap.preflight.rules.system import CGROUP_CONTROLLERS
from bootstrap.preflight.subject import Fleet, Subject

NODES = (
    Node("admin-1", IPv4Address("10.1.0.10"), ("admin",)),
    Node("control-1", IPv4Address("10.1.0.11"), ("zookeeper", "mesos-master", "elasticsearch"), 1),
    Node("agent-1", IPv4Address("10.1.0.21"), ("docker", "mesos-agent"), resources={"mem": "4096"}),
)
CLUSTER = Cluster(
    env="prod",
    path=Path("cluster.yaml"),
    driver="ssh",
    driver_settings={},
    domain="prod.example",
    network=IPv4Network("10.1.0.0/24"),
    nodes=NODES,
    roles=config.load("prod").roles,
    settings={},
    production=True,
)


def sound(node: Node, cluster: Cluster = CLUSTER) -> NodeFacts:
    """A machine that has all that is wanted of it, and nothing else."""
    fqdn = f"{node.name}.{cluster.domain}"
    return NodeFacts(
        machine_id=f"id-of-{node.name}",
        boot_id=f"boot-of-{node.name}",
        cgroup_v1=CGROUP_CONTROLLERS,
        addresses=frozenset({"127.0.0.1", str(node.address)}),
        hostname=node.name,
        forward={node.name: (str(node.address),), fqdn: (str(node.address),)},
        reverse=(fqdn,),
        places={path: Place() for path in needs.of(cluster, node).paths},
        modules={"overlay": True},
        reached={},
    )


def fleet(
    changes: dict[str, dict[str, Any]] | None = None,
    *,
    cluster: Cluster = CLUSTER,
    owned: bool = False,
    lab: bool = False,
    exact: bool = True,
) -> Fleet:
    """`changes`: node -> facts that are otherwise. `owned`: set up by an earlier run of ours."""
    subjects = {}
    for node in cluster.nodes:
        facts = replace(sound(node, cluster), **(changes or {}).get(node.name, {}))
        subjects[node.name] = Subject(
            cluster=cluster,
            node=node,
            facts=facts,
            needs=needs.of(cluster, node),
            owned=frozenset(node.roles) if owned else frozenset(),
            trusts_us=owned,
            lab=lab,
        )
    return Fleet(cluster, subjects, tuple(needs.ways(cluster)), exact=exact, lab=lab)


def judged(*arguments: Any, **options: Any) -> list[Finding]:
    """What the rules say of such a fleet."""
    return judge(fleet(*arguments, **options))
