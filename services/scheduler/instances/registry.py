"""All instances, in memory and in the store: the only place that changes them."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

from services.scheduler import clock
from services.scheduler.events import EventBus
from services.scheduler.instances.instance import Instance

_BATCH = 250  # instances written at once


class Store(Protocol):
    """Where instances are kept beyond the life of this process."""

    async def save_instances(self, instances: list[Instance]) -> None:
        """All or none of a batch; they are copies that nobody changes."""

    async def delete_instances(self, ids: list[str]) -> None:
        """Those that are not there are no error."""


class Change(StrEnum):
    """What happened to an instance, for listeners."""

    ADDED = "added"
    CHANGED = "changed"
    FORGOTTEN = "forgotten"


Listener = Callable[[Instance, Change], None]
_NONE: Mapping[str, Instance] = MappingProxyType({})


class Registry:
    """Changes are in memory at once and written in order behind that; `flush` waits for the write.

    `run()` writes until it is cancelled and raises what the store raises: after that nothing is written any more
    and every `flush` raises the same, so that nobody acknowledges what is not kept.
    """

    def __init__(self, store: Store, bus: EventBus, instances: Iterable[Instance] = ()) -> None:
        self._store = store
        self._bus = bus
        self._instances: dict[str, Instance] = {}
        self._by_app: dict[str, dict[str, Instance]] = {}
        self._listeners: list[Listener] = []
        self._unsaved: dict[str, Instance | None] = {}  # None: to be deleted
        self._writing = False
        self._work = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._failure: Exception | None = None
        for instance in instances:  # as stored by the leader before
            self._insert(instance)

    def __len__(self) -> int:
        return len(self._instances)

    def get(self, instance_id: str) -> Instance | None:
        """The instance, or None if it is not known (any more)."""
        return self._instances.get(instance_id)

    def of(self, app_id: str) -> Mapping[str, Instance]:
        """A live view of an application's instances by id: copy it before changing instances in a loop."""
        instances = self._by_app.get(app_id)
        return MappingProxyType(instances) if instances else _NONE

    def all(self) -> Collection[Instance]:
        """A live view of all instances."""
        return self._instances.values()

    def app_ids(self) -> Collection[str]:
        """Applications that have instances."""
        return self._by_app.keys()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` after each change; what is returned ends that. It must be quick and must not raise."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def add(self, instance: Instance) -> None:
        """A new instance. It must not be launched before `flush`."""
        self._insert(instance)
        self._mark(instance.id, instance)
        self._publish_condition(instance)
        self._tell(instance, Change.ADDED)

    async def add_many(self, instances: Sequence[Instance]) -> None:
        """New instances; on return they are stored, so that a task launched then is never unknown."""
        for instance in instances:
            self.add(instance)
        await self.flush()

    def update(self, instance: Instance, **changes: Any) -> bool:
        """Change fields. True if that changed anything: it is told to listeners, published, and will be written."""
        before, healthy = instance.condition, instance.healthy
        changed = False
        for name, value in changes.items():
            if getattr(instance, name) != value:
                setattr(instance, name, value)
                changed = True
        if not changed:
            return False
        moment = clock.now()
        if instance.condition != before:
            instance.since = moment
        if instance.healthy != healthy:
            instance.health_since = moment
        if self._instances.get(instance.id) is not instance:
            return True  # forgotten already: nobody is interested
        self._mark(instance.id, instance)
        if instance.condition != before:
            self._publish_condition(instance)
        if instance.healthy != healthy:
            self._publish_health(instance)
        self._tell(instance, Change.CHANGED)
        return True

    def forget(self, instance: Instance) -> None:
        """It is over; nothing happens if it was forgotten before."""
        if self._instances.pop(instance.id, None) is None:
            return
        siblings = self._by_app[instance.app_id]
        del siblings[instance.id]
        if not siblings:
            del self._by_app[instance.app_id]
        self._mark(instance.id, None)
        self._tell(instance, Change.FORGOTTEN)

    async def flush(self) -> None:
        """Returns once all changes made until now are stored. Raises what the store raised."""
        if self._failure is not None:
            raise self._failure
        if not self._unsaved and not self._writing:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._work.set()
        await waiter

    async def run(self) -> None:
        """Write changes as they come. Raises what the store raises, and then does nothing more."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                await self._write()
        except Exception as error:
            self._failure = error
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_exception(error)
            raise

    async def _write(self) -> None:
        """One round: everything that is unsaved now; who waits for it is told."""
        unsaved, self._unsaved = self._unsaved, {}
        waiting, self._waiting = self._waiting, []
        self._writing = True
        try:
            changed = [instance for instance in unsaved.values() if instance is not None]
            deleted = [instance_id for instance_id, instance in unsaved.items() if instance is None]
            for start in range(0, len(changed), _BATCH):
                # Copies: an instance may change again while it is being written.
                await self._store.save_instances([copy.copy(one) for one in changed[start : start + _BATCH]])
            for start in range(0, len(deleted), _BATCH):
                await self._store.delete_instances(deleted[start : start + _BATCH])
        except Exception:
            self._waiting += waiting
            raise
        finally:
            self._writing = False
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _insert(self, instance: Instance) -> None:
        self._instances[instance.id] = instance
        self._by_app.setdefault(instance.app_id, {})[instance.id] = instance

    def _mark(self, instance_id: str, instance: Instance | None) -> None:
        self._unsaved.pop(instance_id, None)  # last change last
        self._unsaved[instance_id] = instance
        self._work.set()

    def _tell(self, instance: Instance, change: Change) -> None:
        for listener in tuple(self._listeners):
            listener(instance, change)

    def _publish_condition(self, instance: Instance) -> None:
        self._bus.publish(
            "instance_changed_event",
            instanceId=instance.id,
            condition=instance.condition.value,
            runSpecId=instance.app_id,
            agentId=instance.agent_id,
            host=instance.hostname,
            runSpecVersion=instance.version,
        )

    def _publish_health(self, instance: Instance) -> None:
        self._bus.publish(
            "instance_health_changed_event",
            instanceId=instance.id,
            runSpecId=instance.app_id,
            healthy=instance.healthy,
            runSpecVersion=instance.version,
        )
        self._bus.publish(
            "health_status_changed_event",
            appId=instance.app_id,
            taskId=instance.task_id,
            instanceId=instance.id,
            version=instance.version,
            alive=bool(instance.healthy),
        )
