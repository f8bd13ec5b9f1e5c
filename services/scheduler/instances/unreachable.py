"""When an instance is given up that nobody can reach, or that does not get going. Pure."""

from __future__ import annotations

from typing import Literal

from services.scheduler.definitions.app import UnreachableStrategy
from services.scheduler.instances.instance import Condition, Instance

Step = Literal["replace", "expunge", "kill"]
_STARTS = (Condition.CREATED, Condition.STAGING, Condition.STARTING)


def unreachable_step(instance: Instance, strategy: UnreachableStrategy | None, seconds: float) -> Step | None:
    """What is due for an instance that is in its present condition for `seconds`. `strategy` None: wait for ever."""
    if strategy is None:
        return None
    inactive, expunge = strategy.inactive_after_seconds, strategy.expunge_after_seconds
    if instance.condition is Condition.UNREACHABLE_INACTIVE:
        return "expunge" if seconds >= expunge - inactive else None
    if instance.condition is Condition.UNREACHABLE:
        if seconds >= max(inactive, expunge):
            return "expunge"
        return "replace" if seconds >= inactive else None
    return None


def overdue_step(instance: Instance, seconds: float, *, confirm: float, launch: float) -> Step | None:
    """`confirm`: seconds until Mesos has to say anything; `launch`: until it has to run; both since it was sent."""
    if instance.condition is Condition.PROVISIONED:
        return "kill" if seconds >= confirm else None
    if instance.condition in _STARTS:
        return "kill" if seconds >= launch else None
    return None
