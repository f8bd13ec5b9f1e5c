"""Keeps each application at its number of instances while no deployment looks after it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from services.scheduler.definitions.app import App
from services.scheduler.instances import kill_selection
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.pace import Pace
from services.scheduler.instances.registry import Change, Registry
from services.scheduler.instances.timers import Kills
from services.scheduler.launching.queue import LaunchQueue

log = logging.getLogger(__name__)


class Supervisor:
    """`run()` works until it is cancelled. `locked(app id)`: a deployment looks after it."""

    def __init__(
        self,
        registry: Registry,
        queue: LaunchQueue,
        killer: Kills,
        apps: Callable[[], Mapping[str, App]],
        locked: Callable[[str], bool],
        *,
        interval: float = 15.0,
    ) -> None:
        self._registry = registry
        self._queue = queue
        self._killer = killer
        self._apps = apps
        self._locked = locked
        self._interval = interval
        self._changed: set[str] = set()
        self._work = asyncio.Event()
        registry.listen(self._instance_changed)

    def look_at(self, app_id: str) -> None:
        """Look at an application soon: its deployment is over, or it changed."""
        self._changed.add(app_id)
        self._work.set()

    async def run(self) -> None:
        """Look at what changed, and now and then at everything."""
        while True:
            self._changed |= self._apps().keys() | set(self._registry.app_ids())
            self._changed |= {item.app.id for item in self._queue.items()}
            await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    while True:
                        await self._work.wait()
                        self._work.clear()
                        await self._look()

    async def _look(self) -> None:
        pace = Pace()
        while self._changed:
            self.check(self._changed.pop())
            await pace.turn()

    def check(self, app_id: str) -> None:
        """Launch what is missing, kill what is too much. Applications that are gone have no instances."""
        if self._locked(app_id):
            return
        app = self._apps().get(app_id)
        instances = list(self._registry.of(app_id).values())
        if app is None:
            self._queue.purge(app_id)
            left = [instance for instance in instances if instance.condition is not Condition.KILLING]
            if left:
                log.warning("%s is gone and has %d instances: they are killed", app_id, len(left))
                self._killer.kill(left)
            return
        active = [instance for instance in instances if instance.condition.is_active]
        missing = app.instances - len(active)
        item = self._queue.get(app_id)
        if missing <= 0:
            self._queue.purge(app_id)
        elif item is None or item.count != missing or item.app.version != app.version:
            self._queue.set(app, missing)
        if missing < 0:
            log.info("%s has %d instances too many", app_id, -missing)
            self._killer.kill(kill_selection.select(app, active, -missing))

    def _instance_changed(self, instance: Instance, change: Change) -> None:
        if change is Change.FORGOTTEN or not instance.condition.is_active or instance.condition is Condition.RUNNING:
            self.look_at(instance.app_id)
