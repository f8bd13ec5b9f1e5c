"""All nodes: facts, then rules, then the topology's waivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bootstrap import paths
from bootstrap.errors import OperatorError
from bootstrap.model import Cluster, Machine, is_lab
from bootstrap.preflight import gathering, needs, record, rules
from bootstrap.preflight.facts import NodeFacts
from bootstrap.preflight.finding import ERROR, Finding, waived
from bootstrap.preflight.subject import Fleet, Subject

if TYPE_CHECKING:
    from bootstrap.hosts import Hosts

_LISTENING_AT_ONCE = 32  # more nodes than SSH connects to at a time cannot all be listening together
HOST = "the machines' host"


@dataclass(frozen=True, slots=True)
class Inspection:
    """`errors`: node -> why nothing is known of it. `good`: nodes without a finding that forbids going on."""

    findings: tuple[Finding, ...]
    errors: Mapping[str, OperatorError]
    nodes: tuple[str, ...]

    @property
    def fatal(self) -> tuple[Finding, ...]:
        """What forbids going on."""
        return tuple(finding for finding in self.findings if finding.severity == ERROR)


def inspect(cluster: Cluster, hosts: Hosts, machines: Sequence[Machine], nodes: Sequence[str]) -> Inspection:
    """Ask `nodes`, all at once, and judge what they say. Changes nothing anywhere."""
    asked = set(nodes)
    ways = [way for way in needs.ways(cluster) if way.source in asked]
    exact = len(nodes) <= _LISTENING_AT_ONCE
    listen = exact and any(way.target in asked for way in ways)
    answers = gathering.gather(cluster, hosts, nodes, ways, listen=listen)
    subjects = _subjects(cluster, machines, answers)
    fleet = Fleet(cluster, subjects, tuple(ways), exact=listen, lab=_lab(cluster))
    if _refused(fleet):
        fleet = _asked_again(fleet, hosts, machines, nodes)
    errors = {node: answer for node, answer in answers.items() if isinstance(answer, OperatorError)}
    found = [*_unreached(errors), *judge(fleet)]
    return Inspection(tuple(waived(found, cluster.waivers)), errors, tuple(nodes))


def judge(fleet: Fleet) -> list[Finding]:
    """The findings of all rules, without the topology's waivers."""
    found: list[Finding] = []
    for name, rule in rules.NODE.items():
        of_the_host = fleet.lab and name in rules.OF_THE_HOST
        per_node = [replace(one, rule=name) for subject in fleet.subjects.values() for one in rule(subject)]
        found += _for_the_host(per_node) if of_the_host else per_node
    for name, fleet_rule in rules.FLEET.items():
        found += [replace(one, rule=name) for one in fleet_rule(fleet)]
    return found


def _for_the_host(found: Sequence[Finding]) -> Iterator[Finding]:
    """What machines that share a kernel say alike is said once."""
    alike: dict[Finding, None] = {}
    for one in found:
        alike[replace(one, node=HOST)] = None
    return iter(alike)


def _subjects(cluster: Cluster, machines: Sequence[Machine], answers: gathering.Answers) -> dict[str, Subject]:
    entries, master = record.read(cluster.env), _our_master(cluster.env)
    by_name = {node.name: node for node in cluster.nodes}
    found = {}
    for machine in machines:
        facts = answers.get(machine.node)
        if isinstance(facts, NodeFacts):
            node = by_name[machine.node]
            trusts_us = bool(master) and facts.trusted_master == master
            found[node.name] = Subject(
                cluster=cluster,
                node=node,
                facts=facts,
                needs=needs.of(cluster, node),
                owned=record.owned(entries, machine, node.roles, trusts_us=trusts_us),
                trusts_us=trusts_us,
                lab=_lab(cluster),
            )
    return found


def _our_master(env: str) -> str:
    path = paths.state_path(env) / "salt" / "master.pub"
    return path.read_text(encoding="ascii").strip() if path.is_file() else ""


def _lab(cluster: Cluster) -> bool:
    return is_lab(cluster.driver, cluster.driver_settings)


def _refused(fleet: Fleet) -> bool:
    return any(
        subject.facts.reached.get(f"{fleet.subjects[way.target].node.address}:{way.port.number}") == "refused"
        and way.port.number in fleet.subjects[way.target].facts.bound
        for way in fleet.ways
        if (subject := fleet.subjects.get(way.source)) and way.target in fleet.subjects
    )


def _asked_again(fleet: Fleet, hosts: Hosts, machines: Sequence[Machine], nodes: Sequence[str]) -> Fleet:
    """With more patience: on a busy machine a port may have been tried before or after it was open."""
    answers = gathering.gather(fleet.cluster, hosts, nodes, fleet.ways, listen=True, patient=True)
    return replace(fleet, subjects=_subjects(fleet.cluster, machines, answers) or fleet.subjects)


def _unreached(errors: Mapping[str, OperatorError]) -> Iterator[Finding]:
    for node, error in errors.items():
        yield Finding(
            ERROR,
            node,
            error.what if not error.lines else f"{error.what} ({' '.join(error.lines)})",
            "an answer over SSH, and root by sudo",
            error.cause or "everything is done over SSH",
            error.next_step,
            "reached",
        )
