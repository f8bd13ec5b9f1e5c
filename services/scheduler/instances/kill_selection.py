"""Which instances go first when there are too many. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from services.scheduler.definitions.app import App
from services.scheduler.instances.instance import Condition, Instance

_RANK = {  # those that serve nobody go first
    Condition.UNREACHABLE_INACTIVE: 0,
    Condition.UNREACHABLE: 1,
    Condition.PROVISIONED: 2,
    Condition.CREATED: 2,
    Condition.STAGING: 3,
    Condition.STARTING: 4,
    Condition.RUNNING: 6,
}
_UNHEALTHY = 5


def select(app: App, instances: Iterable[Instance], number: int) -> list[Instance]:
    """The `number` instances to kill: out of reach, not yet running, unhealthy, of an older version, then by age."""
    candidates = [i for i in instances if not i.condition.is_terminal and i.condition is not Condition.KILLING]
    if app.kill_selection == "YOUNGEST_FIRST":
        candidates.sort(key=_age, reverse=True)
    else:
        candidates.sort(key=_age)
    candidates.sort(key=lambda instance: (rank(instance), instance.version >= app.last_config_change_at))
    return candidates[: max(number, 0)]


def rank(instance: Instance) -> int:
    """The lower, the less an instance is missed."""
    if instance.condition is Condition.RUNNING and instance.healthy is False:
        return _UNHEALTHY
    return _RANK.get(instance.condition, 0)


def _age(instance: Instance) -> tuple[str, str]:
    return (instance.started_at or instance.staged_at, instance.id)
