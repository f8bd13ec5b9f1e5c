"""The last failure of each application: `lastTaskFailure` of the API."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from services.scheduler import clock
from services.scheduler.instances.instance import Instance

Json = Mapping[str, Any]


class Store(Protocol):
    """Where failures are kept."""

    async def save_failure(self, app_id: str, document: Mapping[str, Any]) -> None:
        """Replaces the one before."""


class Failures:
    """In memory at once; `flush` writes what is new."""

    def __init__(self, store: Store, stored: Mapping[str, Json] | None = None) -> None:
        self._store = store
        self._failures: dict[str, Json] = dict(stored or {})
        self._unsaved: dict[str, Json] = {}
        self._listeners: list[Callable[[str], None]] = []

    def of(self, app_id: str) -> Json | None:
        """The document as the API shows it."""
        return self._failures.get(app_id)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Calls `listener` with the id of an application that has a new failure."""
        self._listeners.append(listener)

    def record(self, instance: Instance, state: str, message: str) -> None:
        """A task ended that was not asked to."""
        document = {
            "appId": instance.app_id,
            "host": instance.hostname,
            "message": message,
            "slaveId": instance.agent_id,
            "state": state,
            "taskId": instance.task_id,
            "timestamp": clock.now(),
            "version": instance.version,
        }
        self._failures[instance.app_id] = self._unsaved[instance.app_id] = document
        for listener in self._listeners:
            listener(instance.app_id)

    def keep_only(self, app_ids: Collection[str]) -> None:
        """Forget those of applications that are gone; the store does so by itself."""
        for app_id in self._failures.keys() - set(app_ids):
            del self._failures[app_id]
            self._unsaved.pop(app_id, None)

    async def flush(self) -> None:
        """Write what is new. Raises what the store raises."""
        while self._unsaved:
            app_id, document = self._unsaved.popitem()
            await self._store.save_failure(app_id, document)
