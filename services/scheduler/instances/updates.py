"""What a status of a task means for its instance. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.scheduler import clock
from services.scheduler.instances.instance import Condition, Instance

Json = Mapping[str, Any]

_CONDITIONS = {
    "TASK_STAGING": Condition.STAGING,
    "TASK_STARTING": Condition.STARTING,
    "TASK_RUNNING": Condition.RUNNING,
    "TASK_KILLING": Condition.KILLING,
    "TASK_FINISHED": Condition.FINISHED,
    "TASK_FAILED": Condition.FAILED,
    "TASK_KILLED": Condition.KILLED,
    "TASK_ERROR": Condition.ERROR,
    "TASK_DROPPED": Condition.DROPPED,
    "TASK_GONE": Condition.GONE,
    "TASK_GONE_BY_OPERATOR": Condition.GONE,
    "TASK_UNREACHABLE": Condition.UNREACHABLE,
    "TASK_UNKNOWN": Condition.UNKNOWN,
}
# TASK_LOST, which masters send to frameworks of old, says with its reason whether the task may come back.
_MAY_COME_BACK = frozenset(
    {
        "REASON_RECONCILIATION",
        "REASON_AGENT_DISCONNECTED",
        "REASON_AGENT_REMOVED",
        "REASON_SLAVE_DISCONNECTED",
        "REASON_SLAVE_REMOVED",
    }
)
# Ends after which the next launch waits; being killed on request is none.
_COUNTS_AS_FAILURE = frozenset(
    {
        Condition.DROPPED,
        Condition.ERROR,
        Condition.FAILED,
        Condition.FINISHED,
        Condition.GONE,
        Condition.UNKNOWN,
    }
)
_ORDER = (Condition.PROVISIONED, Condition.CREATED, Condition.STAGING, Condition.STARTING, Condition.RUNNING)


@dataclass(frozen=True, slots=True)
class Effect:
    """`changes`: fields of the instance, empty if the status tells nothing new."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    over: bool = False  # the instance is to be forgotten
    failed: bool = False  # to be remembered as the application's last failure
    delays: bool = False  # the next launch is delayed
    unhealthy: bool = False  # the agent ended it because its health check failed


def condition_of(status: Json) -> Condition:
    """The condition that a status alone stands for. Raises KeyError for a state that Mesos 1.11 does not have."""
    if status["state"] == "TASK_LOST":
        return Condition.UNREACHABLE if status.get("reason") in _MAY_COME_BACK else Condition.GONE
    return _CONDITIONS[status["state"]]


def effect(instance: Instance, status: Json, *, asked: bool = False) -> Effect:
    """What to change about an instance after this status. `asked`: we are killing it. Raises KeyError.

    An agent ends an unhealthy task by itself: the delay begins with that, since the replacement is wanted from then.
    """
    told = condition_of(status)
    condition = _next(instance.condition, told)
    changes: dict[str, Any] = {"condition": condition}
    if condition is told or told is Condition.UNREACHABLE:  # otherwise it is late news
        changes["mesos_state"] = status["state"]
    if condition.is_terminal or told is Condition.UNREACHABLE:
        changes["message"] = status.get("message", "")
    if told in (Condition.RUNNING, Condition.STARTING, Condition.STAGING):
        changes |= _running(instance, status, told)
    changes = {name: value for name, value in changes.items() if getattr(instance, name) != value}
    # An instance that is to end and cannot be reached is forgotten: when its agent comes back, it is unknown
    # and killed. Waiting for it would hold up the deployment that ends it.
    over = condition.is_terminal or (told is Condition.UNREACHABLE and instance.condition is Condition.KILLING)
    was_killing = instance.condition is Condition.KILLING
    sick = status.get("healthy", instance.healthy) is False and not asked
    unhealthy = sick and told in (Condition.KILLED, Condition.FAILED)
    failed = over and not asked and (told in _COUNTS_AS_FAILURE or unhealthy)
    delays = not was_killing and (failed or (sick and told is Condition.KILLING))
    return Effect(changes, over, failed and told is not Condition.FINISHED, delays, unhealthy)


def _next(before: Condition, told: Condition) -> Condition:
    """The new condition: an instance that is to end stays so, and late news do not turn it back."""
    if told.is_terminal:
        return told
    if before is Condition.KILLING:
        return before
    if before is Condition.UNREACHABLE_INACTIVE and told is Condition.UNREACHABLE:
        return before
    if before in _ORDER and told in _ORDER and _ORDER.index(told) < _ORDER.index(before):
        return before
    return told


def _running(instance: Instance, status: Json, told: Condition) -> dict[str, Any]:
    container = status.get("container_status", {})
    changes: dict[str, Any] = {}
    if told is Condition.RUNNING and instance.started_at is None:
        changes["started_at"] = _time(status)
    if (addresses := _addresses(container)) and addresses != instance.ip_addresses:
        changes["ip_addresses"] = addresses
    if "container_id" in container:
        changes["container_id"] = container["container_id"]["value"]
    if "healthy" in status:
        changes["healthy"] = status["healthy"]
        if status["healthy"]:
            changes["consecutive_failures"] = 0
        elif "uuid" in status:  # an answer to a reconciliation repeats what was told before
            changes["consecutive_failures"] = instance.consecutive_failures + 1
    return changes


def _addresses(container: Json) -> tuple[str, ...]:
    return tuple(
        address["ip_address"]
        for network in container.get("network_infos", ())
        for address in network.get("ip_addresses", ())
        if "ip_address" in address
    )


def _time(status: Json) -> str:
    if "timestamp" not in status:
        return clock.now()
    return clock.text(datetime.fromtimestamp(status["timestamp"], UTC))
