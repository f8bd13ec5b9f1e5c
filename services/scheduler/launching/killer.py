"""Ends instances: told to routers first, to Mesos after a drain, again and again until it is over."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from services.scheduler import clock
from services.scheduler.definitions.app import App
from services.scheduler.events import EventBus
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.pace import each, set_within
from services.scheduler.instances.registry import Change, Registry
from services.scheduler.instances.statuses import publish_status
from services.scheduler.mesos.calls import MesosCalls
from services.scheduler.mesos.client import MesosError

log = logging.getLogger(__name__)

DRAIN_LABEL = "UTOPIA_DRAIN_SECONDS"
_MAX_DRAIN = 3600.0  # seconds
TAKEOVER_DRAINS = 3.0  # a new leader kills nothing that serves before so many drains have passed
_OUT_OF_REACH = (Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE)


@dataclass(slots=True)
class _Kill:
    due: float  # on the monotonic clock
    wipe: bool
    sent: int = 0


class Killer:
    """`run()` works until it is cancelled. Instances that were being killed by the leader before go on being so.

    `takeover`: there was a leader before, to whom routers listened.
    """

    def __init__(
        self,
        mesos: MesosCalls,
        registry: Registry,
        bus: EventBus,
        app_of: Callable[[str], App | None],
        *,
        drain_seconds: float = 3.0,
        takeover: bool = False,
        retry_seconds: float = 10.0,
        now: Callable[[], float] = clock.monotonic,
    ) -> None:
        self.killed = 0  # instances whose end was asked for
        self._mesos = mesos
        self._registry = registry
        self._bus = bus
        self._app_of = app_of
        self._drain_seconds = drain_seconds
        self._retry = retry_seconds
        self._now = now
        self._kills: dict[str, _Kill] = {}
        self._due: list[tuple[float, str]] = []
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._work = asyncio.Event()
        # Routers heard the leader before; until they have found this one they would not hear of a kill.
        self._heard_from = now() + (TAKEOVER_DRAINS * drain_seconds if takeover else 0.0)
        registry.listen(self._instance_changed)
        for instance in registry.all():
            if instance.condition is Condition.KILLING:
                drained = max(clock.since(instance.since), 0.0)
                self._schedule(instance, max(self._drain_of(instance) - drained, 0.0), wipe=False)

    def kill(self, instances: Iterable[Instance], *, wipe: bool = False, drain: bool = True) -> None:
        """Begin to end instances. Those out of reach are forgotten: when they come back they are unknown, and killed.

        `wipe`: forget it also if Mesos never confirms the end. `drain=False`: the signal goes out at once.
        """
        for instance in list(instances):
            if self._registry.get(instance.id) is not instance:
                continue
            self.killed += instance.id not in self._kills
            if instance.condition in _OUT_OF_REACH:
                self._registry.update(instance, condition=Condition.KILLED, message="out of reach when killed")
                self._registry.forget(instance)
                continue
            seconds = self._drain_of(instance) if drain else 0.0
            if seconds:
                seconds = max(seconds, self._heard_from - self._now())
            if instance.condition is not Condition.KILLING:
                self._registry.update(instance, condition=Condition.KILLING, mesos_state="TASK_KILLING")
                publish_status(self._bus, instance)
            self._schedule(instance, seconds, wipe=wipe)

    def is_killing(self, instance_id: str) -> bool:
        """Its end was asked for here, and it is not over."""
        return instance_id in self._kills

    def reconnected(self) -> None:
        """A new subscription: what is due goes out now."""
        now = self._now()
        for instance_id, kill in self._kills.items():
            if kill.sent:
                self._push(instance_id, kill, now)

    async def done(self, instance_ids: Collection[str]) -> None:
        """Returns once all these instances are over (or were never known)."""
        futures = []
        for instance_id in instance_ids:
            if self._registry.get(instance_id) is not None:
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.setdefault(instance_id, []).append(future)
                futures.append(future)
        if futures:
            await asyncio.gather(*futures)

    async def run(self) -> None:
        """Send what is due."""
        while True:
            self._work.clear()
            await self._send_due()
            wait = max(self._due[0][0] - self._now(), 0.0) if self._due else None
            await set_within(self._work, wait)

    async def _send_due(self) -> None:
        while self._due and self._due[0][0] <= self._now():
            some: list[tuple[Instance, _Kill]] = []
            while self._due and self._due[0][0] <= self._now():
                due, instance_id = heapq.heappop(self._due)
                kill = self._kills.get(instance_id)
                instance = self._registry.get(instance_id)
                if kill is not None and instance is not None and kill.due == due:  # otherwise it was put off or is over
                    some.append((instance, kill))
            await each(some, self._send)

    async def _send(self, due: tuple[Instance, _Kill]) -> None:
        instance, kill = due
        if kill.wipe and kill.sent:
            self._registry.update(instance, condition=Condition.KILLED, message="wiped before Mesos confirmed its end")
            self._registry.forget(instance)
            return
        app = self._app_of(instance.app_id)
        grace = app.task_kill_grace_period_seconds if app else None
        wait = self._retry
        try:
            await self._mesos.kill(instance.task_id, instance.agent_id, grace_seconds=grace)
            kill.sent += 1
            wait += grace or 0.0
        except MesosError as error:
            log.warning("%s is not killed yet: %s", instance.id, error)
            wait = 1.0
        if instance.id in self._kills:
            self._push(instance.id, kill, self._now() + wait)

    def _schedule(self, instance: Instance, seconds: float, *, wipe: bool) -> None:
        due = self._now() + seconds
        kill = self._kills.get(instance.id)
        if kill is None:
            kill = self._kills[instance.id] = _Kill(due, wipe)
        kill.wipe |= wipe
        if kill.sent or kill.due < due:
            return
        self._push(instance.id, kill, min(due, kill.due))

    def _push(self, instance_id: str, kill: _Kill, due: float) -> None:
        kill.due = due
        heapq.heappush(self._due, (due, instance_id))
        self._work.set()

    def _drain_of(self, instance: Instance) -> float:
        """Seconds in which routers let go of an instance; none if they never used it."""
        app = self._app_of(instance.app_id)
        if instance.started_at is None or instance.healthy is False or (app is not None and not app.service_ports):
            return 0.0
        if app is not None and app.health_checks and instance.healthy is None:
            return 0.0
        label = app.labels.get(DRAIN_LABEL) if app else None
        if label is None:
            return self._drain_seconds
        try:
            return min(max(float(label), 0.0), _MAX_DRAIN)
        except ValueError:
            log.warning("%s: label %s is no number of seconds: %r", instance.app_id, DRAIN_LABEL, label)
            return self._drain_seconds

    def _instance_changed(self, instance: Instance, change: Change) -> None:
        if change is not Change.FORGOTTEN:
            return
        self._kills.pop(instance.id, None)
        for future in self._waiting.pop(instance.id, ()):
            if not future.done():
                future.set_result(None)
