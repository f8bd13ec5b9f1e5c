"""Runs probe.py on nodes, on all of them at once, and reads what it says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.errors import OperatorError, UnreachableError
from bootstrap.model import Cluster, Node
from bootstrap.preflight import facts, needs
from bootstrap.preflight.facts import NodeFacts
from bootstrap.preflight.needs import Way
from bootstrap.preflight.rules.system import PACKAGES

if TYPE_CHECKING:
    from bootstrap.hosts import Hosts

PROBE = Path(__file__).with_name("probe.py")
LISTEN_SECONDS = 0.8  # how long ports are held open for the others to try
_PATIENT_SECONDS = 4.0  # the same, once more, for those that were refused
_SECONDS = 30.0
_COMMAND = """command -v python3 >/dev/null || { echo '{"python": false}'; exit 0; }; exec python3 -"""

Answers = dict[str, NodeFacts | OperatorError]


def gather(
    cluster: Cluster, hosts: Hosts, nodes: Sequence[str], ways: Iterable[Way], *, listen: bool, patient: bool = False
) -> Answers:
    """The facts of `nodes`, or why there are none. `listen`: ports nobody holds are opened for the others to try."""
    seconds = (_PATIENT_SECONDS if patient else LISTEN_SECONDS) if listen else 0.0
    orders = _orders(cluster, nodes, ways, seconds)
    source = PROBE.read_text(encoding="utf-8")
    ready = hosts.each(nodes, hosts.become_root)  # so that the probes begin together

    def ask(node: str) -> NodeFacts:
        failure = ready[node]
        if isinstance(failure, OperatorError):
            raise failure
        before = time.time()
        script = f"ORDER = {orders[node]!r}\n{source}"
        result = hosts.run(node, _COMMAND, sudo=True, stdin=script, timeout=_SECONDS)
        after = time.time()
        document = _document(node, result.out, result.tail())
        return facts.read(document, (document["ended"] - after, document["time"] - before))

    return hosts.each(nodes, ask)


def _orders(cluster: Cluster, nodes: Sequence[str], ways: Iterable[Way], seconds: float) -> dict[str, dict[str, Any]]:
    addresses = {node.name: str(node.address) for node in cluster.nodes}
    connect: dict[str, dict[tuple[str, int], None]] = {node: {} for node in nodes}
    for way in ways:
        if way.source in connect and way.target in addresses:
            connect[way.source][addresses[way.target], way.port.number] = None
    return {
        node.name: {
            **_static(cluster, node),
            "listen": _ports(cluster, node) if seconds else [],
            "connect": [list(pair) for pair in connect[node.name]],
            "seconds": seconds,
        }
        for node in cluster.nodes
        if node.name in connect
    }


def _static(cluster: Cluster, node: Node) -> dict[str, Any]:
    wanted = needs.of(cluster, node)
    return {
        "paths": list(wanted.paths),
        "names": [node.name, f"{node.name}.{cluster.domain}"],
        "address": str(node.address),
        "modules": list(wanted.modules),
        "packages": list(PACKAGES),
    }


def _ports(cluster: Cluster, node: Node) -> list[int]:
    return [port.number for role in node.roles for port in cluster.roles[role].ports if port.protocol == "tcp"]


def _document(node: str, out: str, tail: Sequence[str]) -> Mapping[str, Any]:
    try:
        document = json.loads(out)
    except ValueError:
        document = {}
    if document.get("python") is False:
        raise UnreachableError(
            "there is no Python 3",
            where=f"node {node}",
            cause="what is done over SSH is done with it",
            next_step="apt-get install python3 there",
        )
    if "time" not in document:
        raise UnreachableError(
            "the probe gave no answer",
            where=f"node {node}",
            lines=tail,
            cause="its Python is older than 3.9 or damaged, or a shell start-up file prints or exits",
            next_step=f"bootstrap ssh {node} -- python3 --version",
        )
    return dict(document)
