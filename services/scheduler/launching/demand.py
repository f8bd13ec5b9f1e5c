"""Tells Mesos for which roles offers are wanted: revived when there is more to launch, suppressed when nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from services.scheduler import clock
from services.scheduler.launching.queue import Item
from services.scheduler.mesos.calls import MesosCalls


class Demand:
    """What was wanted when Mesos was last told."""

    def __init__(
        self, mesos: MesosCalls, *, revive_interval: float = 5.0, now: Callable[[], float] = clock.monotonic
    ) -> None:
        self._mesos = mesos
        self._interval = revive_interval
        self._now = now
        self._known: dict[str, tuple[str, int]] = {}  # app id -> version, count
        self._more: set[str] = set()  # roles that want offers which may be filtered
        self._last_revive: dict[str, float] = {}

    def forget(self) -> None:
        """A new subscription: filters are gone, offers come for all roles that are not suppressed."""
        self._known.clear()
        self._last_revive.clear()

    def judging(self, ready: Iterable[Item]) -> None:
        """Offers are judged by what is wanted now. Those that are declined then are asked for again by `tell` if
        anything is wanted that was not looked at here.
        """
        counts = {item.app.id: item.count for item in ready}
        self._known = {
            app_id: (version, min(count, counts[app_id]))
            for app_id, (version, count) in self._known.items()
            if app_id in counts
        }

    def placed(self, app_id: str) -> None:
        """One instance less is wanted: another one after it is wanted anew."""
        if app_id in self._known:
            version, count = self._known[app_id]
            self._known[app_id] = (version, count - 1)

    async def tell(self, ready: Iterable[Item]) -> float | None:
        """Bring Mesos up to date; returns seconds until it has to be told again. Raises MesosError."""
        wanted: dict[str, tuple[str, int]] = {}
        roles: set[str] = set()
        for item in ready:
            app = item.app
            roles.add(app.role)
            wanted[app.id] = (app.version, item.count)
            version, count = self._known.get(app.id, ("", 0))
            if app.version != version or item.count > count:
                self._more.add(app.role)
        self._known = wanted
        self._more &= roles
        if new := roles - self._mesos.roles:
            await self._mesos.add_roles(sorted(new))
        if idle := self._mesos.roles - roles - self._mesos.suppressed:
            await self._mesos.suppress(sorted(idle))
        now = self._now()
        # A suppressed role gets nothing until it is revived, so that need not wait; filters may be lifted now and
        # then, for each time the master computes offers of all agents.
        due = {role for role in self._more if now >= self._last_revive.get(role, -self._interval) + self._interval}
        due |= roles & self._mesos.suppressed
        if due:
            await self._mesos.revive(sorted(due))
            self._last_revive |= dict.fromkeys(due, now)
            self._more -= due
        return min((self._last_revive[role] + self._interval - now for role in self._more), default=None)
