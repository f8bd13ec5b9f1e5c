"""Looks after instances that are not settled: out of reach, or not running yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from services.scheduler import clock
from services.scheduler.definitions.app import App, UnreachableStrategy
from services.scheduler.instances import unreachable
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.pace import Pace
from services.scheduler.instances.registry import Change, Registry

log = logging.getLogger(__name__)

_SETTLED = (Condition.RUNNING, Condition.KILLING)


class Kills(Protocol):
    """The part of the killer that is used here."""

    def kill(self, instances: Iterable[Instance], *, wipe: bool = False, drain: bool = True) -> None: ...


class Timers:
    """`run()` works until it is cancelled."""

    def __init__(
        self,
        registry: Registry,
        killer: Kills,
        app_of: Callable[[str], App | None],
        *,
        confirm_seconds: float = 300.0,
        launch_seconds: float = 300.0,
        interval: float = 1.0,
    ) -> None:
        self._registry = registry
        self._killer = killer
        self._app_of = app_of
        self._confirm = confirm_seconds
        self._launch = launch_seconds
        self._interval = interval
        self._unsettled: dict[str, Instance] = {}
        self._work = asyncio.Event()
        registry.listen(self._instance_changed)
        for instance in registry.all():
            self._instance_changed(instance, Change.CHANGED)

    async def run(self) -> None:
        """Look at each of them once a second."""
        while True:
            if not self._unsettled:
                await self._work.wait()
            self._work.clear()
            pace = Pace()
            for instance in list(self._unsettled.values()):
                self.check(instance)
                await pace.turn()
            await asyncio.sleep(self._interval)

    def check(self, instance: Instance) -> None:
        """Do what is due for one instance."""
        if self._registry.get(instance.id) is not instance:
            return
        if instance.condition in (Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE):
            app = self._app_of(instance.app_id)
            strategy = app.unreachable_strategy if app else UnreachableStrategy()
            step = unreachable.unreachable_step(instance, strategy, clock.since(instance.since))
        else:
            waited = clock.since(instance.staged_at)
            step = unreachable.overdue_step(instance, waited, confirm=self._confirm, launch=self._launch)
        if step == "replace":
            log.info("%s is out of reach: it is replaced", instance.id)
            self._registry.update(instance, condition=Condition.UNREACHABLE_INACTIVE)
        elif step == "expunge":
            log.info("%s is out of reach: it is given up", instance.id)
            self._registry.update(instance, condition=Condition.GONE, message="out of reach for too long")
            self._registry.forget(instance)
        elif step == "kill":
            log.warning("%s is %s for too long: it is killed", instance.id, instance.condition.value)
            self._killer.kill([instance], drain=False)

    def _instance_changed(self, instance: Instance, change: Change) -> None:
        if change is Change.FORGOTTEN or instance.condition in _SETTLED:
            self._unsettled.pop(instance.id, None)
        elif instance.id not in self._unsettled:
            self._unsettled[instance.id] = instance
            self._work.set()
