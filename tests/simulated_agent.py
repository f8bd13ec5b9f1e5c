"""Agents and tasks of the simulated Mesos master: what they have, offer and use."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

Json = dict[str, Any]
Amounts = Counter[tuple[str, str]]  # (name, role) -> thousandths


@dataclass(eq=False)
class SimulatedAgent:
    """`reserved`: role -> resource -> amount, on top of the unreserved ones."""

    hostname: str
    cpus: float = 8
    mem: float = 16384
    disk: float = 100_000
    gpus: float = 0
    ports: tuple[int, int] = (31000, 31999)
    attributes: dict[str, str] = field(default_factory=dict)
    region: str | None = None
    zone: str | None = None
    reserved: dict[str, dict[str, float]] = field(default_factory=dict)
    unavailability: Json | None = None
    id: str = ""
    reachable: bool = True

    def __post_init__(self) -> None:
        self.id = self.id or f"agent-{self.hostname}"
        self.free: Amounts = Counter()
        unreserved = {"cpus": self.cpus, "mem": self.mem, "disk": self.disk, "gpus": self.gpus}
        for role, amounts in {"*": unreserved, **self.reserved}.items():
            self.free.update({(name, role): round(amount * 1000) for name, amount in amounts.items() if amount})
        self.used_ports: set[int] = set()
        self.offered: str | None = None  # the outstanding offer
        self.refused_until: dict[str, float] = {}  # role -> loop time

    def offer_document(self, offer_id: str, framework_id: str, role: str, *, refined: bool = False) -> Json:
        """Everything that is free here, as an element of OFFERS for one of the framework's roles."""
        resources: list[Json] = []
        for (name, owner), amount in self.free.items():
            if amount > 0 and owner in ("*", role):
                scalar = {"name": name, "type": "SCALAR", "scalar": {"value": amount / 1000}}
                resources.append(scalar | _owned_by(owner, refined) | {"allocation_info": {"role": role}})
        if spans := self._free_spans():
            ranges = {"range": [{"begin": begin, "end": end} for begin, end in spans]}
            ports = {"name": "ports", "type": "RANGES", "ranges": ranges}
            resources.append(ports | _owned_by("*", refined) | {"allocation_info": {"role": role}})
        document: Json = {
            "id": {"value": offer_id},
            "framework_id": {"value": framework_id},
            "agent_id": {"value": self.id},
            "hostname": self.hostname,
            "allocation_info": {"role": role},
            "resources": resources,
            "attributes": [{"name": k, "type": "TEXT", "text": {"value": v}} for k, v in self.attributes.items()],
        }
        if self.region is not None:
            domain = {"region": {"name": self.region}, "zone": {"name": self.zone or ""}}
            document["domain"] = {"fault_domain": domain}
        if self.unavailability is not None:
            document["unavailability"] = self.unavailability
        return document

    def _free_spans(self) -> list[tuple[int, int]]:
        begin, end = self.ports
        edges = [begin - 1, *sorted(self.used_ports), end + 1]
        return [(low + 1, high - 1) for low, high in pairwise(edges) if high - low > 1]


def _owned_by(role: str, refined: bool) -> Json:
    if not refined:
        return {"role": role}
    return {"reservations": [{"type": "STATIC", "role": role}]} if role != "*" else {}


@dataclass(eq=False)
class SimulatedTask:
    """`state` is the agent's latest; `updates` what the framework has not acknowledged yet, oldest first."""

    id: str
    agent: SimulatedAgent
    info: Json
    uses: Amounts
    ports: set[int]
    state: str = "TASK_STAGING"
    healthy: bool | None = None
    updates: deque[Json] = field(default_factory=deque)
    sent_at: float = 0.0


def used(resources: Iterable[Json]) -> tuple[Amounts, list[int]]:
    """(thousandths by name and role, ports) of a task's resources."""
    amounts: Amounts = Counter()
    ports: list[int] = []
    for resource in resources:
        reservations = resource.get("reservations")
        role = reservations[-1]["role"] if reservations else resource.get("role", "*")
        if resource["type"] == "SCALAR":
            amounts[resource["name"], role] += round(resource["scalar"]["value"] * 1000)
        else:
            ports += [p for r in resource["ranges"]["range"] for p in range(r["begin"], r["end"] + 1)]
    return amounts, ports
