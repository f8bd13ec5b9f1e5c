"""Whether an application's next instance fits into an offer, and what it uses of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.scheduler.definitions.app import App
from services.scheduler.instances.instance import Instance, new_id

from .constraints import Tally
from .offer import UNRESERVED, Offer, Resource, thousandths
from .ports import FreePorts, choose, slots

# With this label and one of the values an application may go to scarce agents with GPUs all the same.
GPU_LABEL = "GPU_SCHEDULING_BEHAVIOR"
GPU_ANY = ("unrestricted", "undefined")


class Reason(StrEnum):
    """Why an offer was not used, in the order in which /v2/queue sums them up."""

    UNFULFILLED_ROLE = "UnfulfilledRole"
    UNFULFILLED_CONSTRAINT = "UnfulfilledConstraint"
    NO_CORRESPONDING_RESERVATION_FOUND = "NoCorrespondingReservationFound"
    AGENT_MAINTENANCE = "AgentMaintenance"
    INSUFFICIENT_CPUS = "InsufficientCpus"
    INSUFFICIENT_MEMORY = "InsufficientMemory"
    INSUFFICIENT_DISK = "InsufficientDisk"
    INSUFFICIENT_GPUS = "InsufficientGpus"
    INSUFFICIENT_PORTS = "InsufficientPorts"
    DECLINED_SCARCE_RESOURCES = "DeclinedScarceResources"


_SHORT_OF = {
    "cpus": Reason.INSUFFICIENT_CPUS,
    "mem": Reason.INSUFFICIENT_MEMORY,
    "disk": Reason.INSUFFICIENT_DISK,
    "gpus": Reason.INSUFFICIENT_GPUS,
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """All reasons, in the order of `Reason`."""

    reasons: tuple[Reason, ...]

    @property
    def reason(self) -> Reason:
        """The one that the offer counts under."""
        return self.reasons[0]


@dataclass(frozen=True, slots=True)
class Match:
    """A place for one instance. `ports`: one for each entry of the application's port list, None: not on the host."""

    offer: Offer
    ports: tuple[int | None, ...]
    scalars: tuple[tuple[int, int], ...]  # (index into Remaining.scalars, thousandths)
    resources: tuple[Mapping[str, Any], ...]  # Mesos documents, for the TaskInfo

    @property
    def host_ports(self) -> tuple[int, ...]:
        """Those on the host."""
        return tuple(port for port in self.ports if port is not None)

    def instance(self, app: App, *, staged_at: str) -> Instance:
        """A new instance at this place."""
        offer = self.offer
        return Instance(
            id=new_id(app.id),
            app_id=app.id,
            version=app.version,
            role=app.role,
            agent_id=offer.agent_id,
            hostname=offer.hostname,
            attributes=offer.attributes,
            region=offer.region,
            zone=offer.zone,
            host_ports=self.host_ports,
            staged_at=staged_at,
            since=staged_at,
        )


class Remaining:
    """What is left of an offer while instances are put into it."""

    __slots__ = ("offer", "ports", "scalars")

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        # Reserved ones first: others can use what is not reserved.
        ordered = sorted(offer.resources, key=lambda resource: resource.role == UNRESERVED)
        self.scalars: list[tuple[Resource, int]] = [(r, r.amount) for r in ordered if r.name != "ports"]
        self.ports = [FreePorts(r) for r in ordered if r.name == "ports"]

    def total(self, name: str) -> int:
        """Thousandths of a scalar, whatever its role."""
        return sum(left for resource, left in self.scalars if resource.name == name)

    def take(self, match: Match) -> None:
        """Give what a match uses; ValueError if it is not there (a match is for one state of the offer)."""
        for index, amount in match.scalars:
            resource, left = self.scalars[index]
            if amount > left:
                raise ValueError(f"only {left} thousandths of {resource.name} are left, not {amount}")
            self.scalars[index] = (resource, left - amount)
        for port in set(match.host_ports):
            next(part for part in self.ports if port in part).take(port)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decided."""

    home_region: str | None = None  # agents elsewhere only for who asks for a region
    heed_maintenance: bool = True
    draining_seconds: float = 0.0  # no launch so long before a planned maintenance
    scarce_gpus: bool = True  # agents with GPUs are kept for who wants GPUs


def match(
    app: App,
    remaining: Remaining,
    tally: Tally,
    *,
    now: float,
    policy: Policy = Policy(),
    rng: random.Random = random.Random(),  # noqa: B008, S311 (shared on purpose; ports are no secret)
) -> Match | Rejection:
    """Place one more instance. `tally` must be the application's own; `now`: seconds since 1970.

    Nothing is changed: who uses the match calls `remaining.take(match)` and `tally.add(instance)`.
    """
    offer = remaining.offer
    if offer.allocated_role != app.role:
        return Rejection((Reason.UNFULFILLED_ROLE,))
    reasons: list[Reason] = []
    roles = frozenset(app.accepted_resource_roles) or frozenset((UNRESERVED, app.role))
    if not any(resource.role in roles for resource in offer.resources):
        reasons.append(Reason.UNFULFILLED_ROLE)
    if not _in_region(app, offer, policy) or not tally.accepts(offer):
        reasons.append(Reason.UNFULFILLED_CONSTRAINT)
    if _in_maintenance(offer, now, policy):
        reasons.append(Reason.AGENT_MAINTENANCE)
    scalars: list[tuple[int, int]] = []
    for name, wanted in _wanted(app):
        taken = _gather(name, wanted, remaining, roles)
        if taken is None:
            reasons.append(_SHORT_OF[name])
        else:
            scalars += taken
    ports = (
        None if reasons else choose(slots(app), [part for part in remaining.ports if part.resource.role in roles], rng)
    )
    if ports is None and not reasons:
        reasons.append(Reason.INSUFFICIENT_PORTS)
    if policy.scarce_gpus and not app.gpus and app.labels.get(GPU_LABEL) not in GPU_ANY and remaining.total("gpus"):
        reasons.append(Reason.DECLINED_SCARCE_RESOURCES)
    if ports is None or reasons:
        return Rejection(tuple(reasons))
    resources = [remaining.scalars[index][0].scalar(amount) for index, amount in scalars]
    resources += _port_resources(remaining, {port for port in ports if port is not None})
    return Match(offer, tuple(ports), tuple(scalars), tuple(resources))


def _wanted(app: App) -> list[tuple[str, int]]:
    amounts = (("cpus", app.cpus), ("mem", app.mem), ("disk", app.disk), ("gpus", app.gpus))
    return [(name, thousandths(amount)) for name, amount in amounts if amount]


def _gather(name: str, wanted: int, remaining: Remaining, roles: frozenset[str]) -> list[tuple[int, int]] | None:
    """(index, thousandths) of the parts that make up the wanted amount; None if there is not enough."""
    parts: list[tuple[int, int]] = []
    for index, (resource, left) in enumerate(remaining.scalars):
        if resource.name == name and left and resource.role in roles:
            part = min(wanted, left)
            parts.append((index, part))
            wanted -= part
            if not wanted:
                return parts
    return None


def _port_resources(remaining: Remaining, ports: set[int]) -> list[dict[str, Any]]:
    documents = []
    for part in remaining.ports:
        mine = [port for port in ports if port in part]
        if mine:
            documents.append(part.resource.ports(mine))
    return documents


def _in_region(app: App, offer: Offer, policy: Policy) -> bool:
    if policy.home_region is None or offer.region in (None, policy.home_region):
        return True
    return any(constraint.field == "@region" for constraint in app.constraints)


def _in_maintenance(offer: Offer, now: float, policy: Policy) -> bool:
    if not policy.heed_maintenance or offer.unavailable_from is None:
        return False
    if now < offer.unavailable_from - policy.draining_seconds:
        return False
    return offer.unavailable_until is None or now < offer.unavailable_until
