"""Where instances of one application may run beside each other.

A `Tally` counts the placed instances by the values that the constraints look at. It is kept up to date with
each change of an instance, so that judging an offer does not depend on how many instances there are.
"""

from __future__ import annotations

import functools
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from services.scheduler.definitions.app import App, Constraint
from services.scheduler.instances.instance import Condition, Instance

log = logging.getLogger(__name__)

HOSTNAME_FIELDS = ("hostname", "@hostname")
_LOST = (Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE)


class Place(Protocol):
    """Where something runs or could run: an offer and an instance have these."""

    @property
    def hostname(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def region(self) -> str | None: ...
    @property
    def zone(self) -> str | None: ...


def value_of(place: Place, field: str) -> str | None:
    """What a constraint on `field` sees there; None if the agent has no such attribute."""
    if field in HOSTNAME_FIELDS:
        return place.hostname
    if field == "@region":
        return place.region
    if field == "@zone":
        return place.zone
    return place.attributes.get(field)


class Values:
    """How many instances each value of a field has; the smallest of the counts without a search through all."""

    def __init__(self) -> None:
        self.counts: Counter[str | None] = Counter()  # None: the agent has no such attribute
        self._sizes: Counter[int] = Counter()  # how many values have this count

    @property
    def smallest(self) -> int:
        """The count of the value with the fewest instances, 0 if there is none."""
        return min(self._sizes, default=0)

    def change(self, value: str | None, by: int) -> None:
        """Count one more (+1) or one less (-1)."""
        before = self.counts[value]
        after = before + by
        if before:
            self._drop_size(before)
        if after:
            self.counts[value] = after
            self._sizes[after] += 1
        else:
            del self.counts[value]

    def _drop_size(self, size: int) -> None:
        self._sizes[size] -= 1
        if not self._sizes[size]:
            del self._sizes[size]


class Tally:
    """The placed instances of one application in its present configuration.

    Instances of an older configuration do not count (as with Marathon): otherwise an upgrade of an application
    with `hostname UNIQUE` on all agents could never begin. Neither do those that are over or out of reach.
    """

    def __init__(self, app: App, instances: Iterable[Instance] = ()) -> None:
        self.constraints = app.constraints
        self.since = app.last_config_change_at
        self.fields = tuple(dict.fromkeys(constraint.field for constraint in app.constraints))
        self.values = {field: Values() for field in self.fields}
        self._placed: dict[str, tuple[str | None, ...]] = {}  # instance id -> its values, as counted
        for instance in instances:
            self.add(instance)

    def __len__(self) -> int:
        return len(self._placed)

    def is_for(self, app: App) -> bool:
        """Whether it may be used for this version of the application, or a new one has to be made."""
        return self.constraints == app.constraints and self.since == app.last_config_change_at

    def add(self, instance: Instance) -> None:
        """Count an instance, or see what changed about it. May be called any number of times."""
        self.remove(instance.id)
        if instance.version < self.since or instance.condition.is_terminal or instance.condition in _LOST:
            return
        placed = tuple(value_of(instance, field) for field in self.fields)
        self._placed[instance.id] = placed
        for field, value in zip(self.fields, placed, strict=True):
            self.values[field].change(value, 1)

    def remove(self, instance_id: str) -> None:
        """Forget an instance; nothing happens if it is not counted."""
        placed = self._placed.pop(instance_id, None)
        for field, value in zip(self.fields, placed or (), strict=placed is not None):
            self.values[field].change(value, -1)

    def accepts(self, place: Place) -> bool:
        """Whether one more instance there keeps all constraints."""
        return all(self._holds(constraint, place) for constraint in self.constraints)

    def _holds(self, constraint: Constraint, place: Place) -> bool:
        value = value_of(place, constraint.field)
        if value is None:
            return constraint.operator == "UNLIKE"
        wanted = constraint.value or ""
        if constraint.operator in ("LIKE", "UNLIKE", "IS"):
            return _fits(constraint.operator, wanted, value)
        values = self.values[constraint.field]
        count = values.counts.get(value, 0)
        match constraint.operator:
            case "UNIQUE":
                return count == 0
            case "CLUSTER":
                return wanted in ("", value) and count == len(self)
            case "MAX_PER":
                return count < _number(wanted)
            case _:  # GROUP_BY: a new value, or one of those with the fewest instances when there are enough values
                return count == 0 or (len(values.counts) >= _number(wanted) and count == values.smallest)


def _fits(operator: str, wanted: str, value: str) -> bool:
    """The operators that only look at the agent."""
    if operator == "IS":
        return _same(wanted, value)
    pattern = _compiled(wanted)
    return pattern is not None and (pattern.fullmatch(value) is not None) == (operator == "LIKE")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _same(wanted: str, value: str) -> bool:
    """Equal as text, or as numbers of three decimal digits."""
    if wanted == value:
        return True
    try:
        return round(float(wanted), 3) == round(float(value), 3)
    except ValueError:
        return False


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error as error:
        log.warning("constraint %r fits no agent: it is no regular expression: %s", pattern, error)
        return None
