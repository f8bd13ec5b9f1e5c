"""Asks Mesos for the states of tasks: after each subscription, and now and then."""

from __future__ import annotations

import asyncio
import logging

from services.scheduler import clock
from services.scheduler.instances.instance import Condition, Instance, instance_of_task
from services.scheduler.instances.pace import Pace, set_within
from services.scheduler.instances.registry import Registry
from services.scheduler.mesos.calls import MesosCalls
from services.scheduler.mesos.client import MesosError

log = logging.getLogger(__name__)

_AT_ONCE = 1000  # tasks named in one call
_FRESH = 10.0  # seconds; a task may be unknown to the master for as long as its launch is on the way
_FIRST_WAIT, _LAST_WAIT = 2.0, 60.0  # seconds until those are asked for again that got no answer


class Reconciler:
    """`run()` works until it is cancelled. What the registry holds at first are instances of a leader before: whatever
    it sent has arrived when we are subscribed, so that these are asked for at once.

    Tasks on agents that have not come back to a new master yet get no answer, so that these are asked for again.
    """

    def __init__(self, mesos: MesosCalls, registry: Registry, *, interval: float = 600.0) -> None:
        self.rounds = 0  # reconciliations that were begun
        self._mesos = mesos
        self._registry = registry
        self._interval = interval
        self._inherited = frozenset(instance.id for instance in registry.all())
        self._unanswered: set[str] = set()  # instance ids
        self._begin = asyncio.Event()

    @property
    def unanswered(self) -> int:
        """Instances of which Mesos has not said anything since they were asked for."""
        return len(self._unanswered)

    def subscribed(self) -> None:
        """Begin now."""
        self._begin.set()

    def answered(self, task_id: str) -> None:
        """A status of the task came."""
        self._unanswered.discard(instance_of_task(task_id))

    async def run(self) -> None:
        """One reconciliation after each subscription and each interval."""
        while True:
            await set_within(self._begin, self._interval)
            self._begin.clear()
            await self._reconcile()

    async def _reconcile(self) -> None:
        """All that we know, until each is answered; then all that Mesos knows."""
        self.rounds += 1
        self._unanswered = {instance.id for instance in self._registry.all()}
        wait = _FIRST_WAIT
        told_all = False
        while not self._begin.is_set():
            try:
                await self._ask()
                if not told_all:
                    await self._mesos.reconcile([])  # tasks that we do not know are told, too
                    told_all = True
            except MesosError as error:
                log.warning("reconciliation: %s", error)
                if not self._mesos.connected:
                    return  # the next subscription begins a new one
            if not self._unanswered and told_all:
                return
            await set_within(self._begin, wait)
            wait = min(wait * 2, _LAST_WAIT)

    async def _ask(self) -> None:
        tasks, pace = [], Pace()
        for instance_id in list(self._unanswered):
            instance = self._registry.get(instance_id)
            if instance is None:
                self._unanswered.discard(instance_id)
            elif not self._is_on_its_way(instance):
                tasks.append((instance.task_id, instance.agent_id))
            await pace.turn()
        for start in range(0, len(tasks), _AT_ONCE):
            await self._mesos.reconcile(tasks[start : start + _AT_ONCE])

    def _is_on_its_way(self, instance: Instance) -> bool:
        if instance.condition is not Condition.PROVISIONED or instance.id in self._inherited:
            return False
        return clock.since(instance.staged_at) <= _FRESH
