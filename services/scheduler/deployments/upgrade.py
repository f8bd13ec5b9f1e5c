"""The next move of a rolling upgrade, computed from what there is: never from what was seen to happen.

Two bounds hold after every move:

- healthy instances (for new ones: healthy and ready) never fall below `ceil(instances * minimumHealthCapacity)`
  by a kill of ours;
- all instances together, those that wait for an offer and those still ending included, never exceed
  `floor(instances * (1 + maximumOverCapacity))` by a launch of ours.

With `minimumHealthCapacity` 1 and `maximumOverCapacity` 0 the bounds are equal and nothing could move: then, as in
Marathon, one instance more is allowed at a time.

Where the new ones fit is not looked at here. Constraints count instances of one configuration only, so that old
ones are not in the way; what they hold is: with fixed host ports on as many agents as instances, nothing fits beside
them, and the upgrade waits for ever unless `minimumHealthCapacity` lets old ones go first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.scheduler.definitions.app import UpgradeStrategy

_DIGITS = 9  # 100 * 0.07 is 7.000000000000001 in floating point, and means 7


@dataclass(frozen=True, slots=True)
class Member:
    """An instance that is not ending. `healthy`: serves; for a new one that it is ready, too."""

    id: str
    healthy: bool


@dataclass(frozen=True, slots=True)
class View:
    """All of an application at one moment; `old` and `new` in the order in which they would be killed."""

    old: Sequence[Member]
    new: Sequence[Member]
    leaving: int = 0  # being killed, still on their agents
    queued: int = 0  # new ones that wait for an offer

    @property
    def total(self) -> int:
        """What is there or will be."""
        return len(self.old) + len(self.new) + self.leaving + self.queued


@dataclass(frozen=True, slots=True)
class Move:
    """Kill these, launch so many more. Neither: wait, unless `done`."""

    kill: tuple[str, ...] = ()
    launch: int = 0
    done: bool = False


def minimum_healthy(instances: int, strategy: UpgradeStrategy) -> int:
    """`ceil(instances * minimumHealthCapacity)`."""
    return math.ceil(round(instances * strategy.minimum_health_capacity, _DIGITS))


def maximum_total(instances: int, strategy: UpgradeStrategy) -> int:
    """`floor(instances * (1 + maximumOverCapacity))`."""
    return math.floor(round(instances * (1 + strategy.maximum_over_capacity), _DIGITS))


def next_move(instances: int, strategy: UpgradeStrategy, view: View) -> Move:
    """What may be done now to get to `instances` new instances and no old one."""
    healthy_new = sum(member.healthy for member in view.new)
    if not view.old and len(view.new) == instances == healthy_new and not view.queued and not view.leaving:
        return Move(done=True)
    kill = _to_kill(instances, minimum_healthy(instances, strategy), view)
    missing = max(0, instances - len(view.new) - view.queued)
    launch = min(missing, max(0, maximum_total(instances, strategy) - view.total))
    settled = not view.queued and not view.leaving and healthy_new == len(view.new)
    if missing and not launch and not kill and settled:
        launch = 1  # the bounds are equal: see above
    return Move(kill=tuple(kill), launch=launch)


def _to_kill(instances: int, minimum: int, view: View) -> list[str]:
    """Old instances, those that do not serve first, and new ones beyond the wanted number."""
    healthy_new = sum(member.healthy for member in view.new)
    # Healthy ones that are not needed. An unhealthy old one does not serve, but may do so again: it
    # is replaced rather than dropped, hence goes only when enough others, healthy or not, remain.
    spare_healthy = healthy_new + sum(member.healthy for member in view.old) - minimum
    spare = len(view.old) + healthy_new - minimum
    kill: list[str] = []
    for member in sorted(view.old, key=lambda member: member.healthy):
        if spare <= 0 or (member.healthy and spare_healthy <= 0):
            break
        kill.append(member.id)
        spare -= 1
        spare_healthy -= member.healthy
    surplus = len(view.new) - instances
    for member in sorted(view.new, key=lambda member: member.healthy):
        if surplus <= 0 or (member.healthy and spare_healthy <= 0):
            break
        kill.append(member.id)
        surplus -= 1
        spare_healthy -= member.healthy
    return kill
