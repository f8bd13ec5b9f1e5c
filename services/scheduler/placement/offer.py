"""What an agent offers: resources by role and reservation, attributes, where it is.

Scalars are counted in thousandths as Mesos does (three decimal digits), so that sums are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
THOUSANDTHS = 1000
NANOSECONDS = 1e9
UNRESERVED = "*"
# Reservations with these labels belong to one resident task of a framework; nobody else may use them.
RESIDENT_LABELS = frozenset({"marathon_framework_id", "marathon_task_id"})


def thousandths(value: float) -> int:
    """A scalar as Mesos counts it."""
    return round(value * THOUSANDTHS)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of an offer. `template`: its document without the amount; what is used of it goes back in it."""

    name: str
    role: str
    template: Mapping[str, Any]
    amount: int = 0  # thousandths
    ranges: tuple[tuple[int, int], ...] = ()  # first and last, both included

    def scalar(self, amount: int) -> Json:
        """The Mesos document of a part of this scalar."""
        return {**self.template, "scalar": {"value": amount / THOUSANDTHS}}

    def ports(self, ports: Sequence[int]) -> Json:
        """The Mesos document of some of its ports."""
        spans: list[list[int]] = []
        for port in sorted(ports):
            if spans and spans[-1][1] == port - 1:
                spans[-1][1] = port
            else:
                spans.append([port, port])
        return {**self.template, "ranges": {"range": [{"begin": begin, "end": end} for begin, end in spans]}}


@dataclass(frozen=True, slots=True)
class Offer:
    """`allocated_role`: the role of ours that Mesos offers this to. `raw` is the whole document."""

    id: str
    agent_id: str
    hostname: str
    allocated_role: str
    attributes: Mapping[str, str]
    region: str | None
    zone: str | None
    resources: tuple[Resource, ...]
    unavailable_from: float | None  # seconds since 1970: a planned maintenance
    unavailable_until: float | None  # None: open end
    raw: Mapping[str, Any]

    @classmethod
    def parse(cls, document: Json) -> Offer:
        """From an element of the OFFERS event; KeyError for what is no offer."""
        allocated_role = document.get("allocation_info", {}).get("role", UNRESERVED)
        domain = document.get("domain", {}).get("fault_domain", {})
        begin, end = _unavailability(document)
        return cls(
            id=document["id"]["value"],
            agent_id=document["agent_id"]["value"],
            hostname=document["hostname"],
            allocated_role=allocated_role,
            attributes={a["name"]: attribute_text(a) for a in document.get("attributes", ())},
            region=domain.get("region", {}).get("name"),
            zone=domain.get("zone", {}).get("name"),
            resources=tuple(
                _resource(resource, allocated_role) for resource in document.get("resources", ()) if _usable(resource)
            ),
            unavailable_from=begin,
            unavailable_until=end,
            raw=document,
        )


def attribute_text(attribute: Json) -> str:
    """An attribute's value as Mesos writes it: `rack-1`, `2.5`, `[1-3,7-9]`, `{a,b}`."""
    kind = attribute.get("type", "TEXT")
    if kind == "SCALAR":
        return f"{attribute['scalar']['value']:.3f}".rstrip("0").rstrip(".")
    if kind == "RANGES":
        spans = sorted((int(r["begin"]), int(r["end"])) for r in attribute["ranges"].get("range", ()))
        return "[" + ",".join(f"{begin}-{end}" for begin, end in spans) + "]"
    if kind == "SET":
        return "{" + ",".join(sorted(attribute["set"].get("item", ()))) + "}"
    return str(attribute["text"]["value"])


def resource_role(resource: Json) -> str:
    """The role that a resource is reserved for, in the format with and without refined reservations."""
    reservations = resource.get("reservations")
    return str(reservations[-1]["role"] if reservations else resource.get("role", UNRESERVED))


def _usable(resource: Json) -> bool:
    """Not what may be taken back at any time, is shared, or belongs to a volume or to one resident task."""
    if "revocable" in resource or "shared" in resource or "disk" in resource:
        return False
    if resource.get("type") not in ("SCALAR", "RANGES"):
        return False
    reservations = [
        *resource.get("reservations", ()),
        *([resource["reservation"]] if "reservation" in resource else []),
    ]
    labels = {label["key"] for r in reservations for label in r.get("labels", {}).get("labels", ())}
    return not labels & RESIDENT_LABELS


def _resource(resource: Json, allocated_role: str) -> Resource:
    template = {key: value for key, value in resource.items() if key not in ("scalar", "ranges")}
    template.setdefault("allocation_info", {"role": allocated_role})
    ranges = resource.get("ranges", {}).get("range", ())
    return Resource(
        name=resource["name"],
        role=resource_role(resource),
        template=template,
        amount=thousandths(resource["scalar"]["value"]) if "scalar" in resource else 0,
        ranges=tuple(sorted((int(r["begin"]), int(r["end"])) for r in ranges)),
    )


def _unavailability(document: Json) -> tuple[float | None, float | None]:
    period = document.get("unavailability")
    if period is None:
        return None, None
    begin = int(period["start"]["nanoseconds"]) / NANOSECONDS
    duration = period.get("duration")
    return begin, begin + int(duration["nanoseconds"]) / NANOSECONDS if duration else None
