"""Instances made to order, a store in memory and a Mesos that only notes what it is asked."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from services.scheduler.definitions.app import App
from services.scheduler.events import Event, EventBus
from services.scheduler.instances.instance import Condition, Instance, new_id
from services.scheduler.mesos.client import MesosError

VERSION = "2026-01-01T00:00:00.000Z"


class MemoryStore:
    """`log` has the writes in their order."""

    def __init__(self) -> None:
        self.instances: dict[str, Instance] = {}
        self.log: list[tuple[str, tuple[str, ...]]] = []
        self.failures: dict[str, Mapping[str, Any]] = {}
        self.broken: Exception | None = None

    async def save_instances(self, instances: Sequence[Instance]) -> None:
        if self.broken:
            raise self.broken
        self.log.append(("save", tuple(instance.id for instance in instances)))
        self.instances |= {instance.id: copy.copy(instance) for instance in instances}

    async def delete_instances(self, ids: Sequence[str]) -> None:
        if self.broken:
            raise self.broken
        self.log.append(("delete", tuple(ids)))
        for instance_id in ids:
            self.instances.pop(instance_id, None)

    async def save_failure(self, app_id: str, document: Mapping[str, Any]) -> None:
        self.failures[app_id] = document


class RecordingMesos:
    """Notes calls as (name, arguments); `refuse` makes them fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.connected = True
        self.roles = frozenset({"*"})
        self.suppressed: frozenset[str] = frozenset()
        self.refuse: MesosError | None = None

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]

    def _note(self, *call: Any) -> None:
        if self.refuse:
            raise self.refuse
        self.calls.append(call)

    async def accept(self, offer_ids: Any, operations: Any, *, refuse_seconds: float = 0) -> None:
        self._note("accept", list(offer_ids), operations)

    async def decline(self, offer_ids: Any, *, refuse_seconds: float) -> None:
        self._note("decline", list(offer_ids), refuse_seconds)

    async def kill(self, task_id: str, agent_id: str, *, grace_seconds: float | None = None) -> None:
        self._note("kill", task_id, agent_id, grace_seconds)

    async def acknowledge(self, status: Mapping[str, Any]) -> None:
        self._note("acknowledge", status["uuid"])

    async def reconcile(self, tasks: Any) -> None:
        self._note("reconcile", list(tasks))

    async def suppress(self, roles: Any) -> None:
        self._note("suppress", list(roles))
        self.suppressed |= set(roles)

    async def revive(self, roles: Any) -> None:
        self._note("revive", list(roles))
        self.suppressed -= set(roles)

    async def add_roles(self, roles: Any) -> None:
        self._note("add_roles", list(roles))
        self.roles |= set(roles)


class Told:
    """A bus that remembers; `of(type)` gives documents without the time."""

    def __init__(self) -> None:
        self.bus = EventBus()
        self.events: list[Event] = []
        self.bus.listen(self.events.append)

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def of(self, kind: str) -> list[dict[str, Any]]:
        omit = ("timestamp", "eventType")
        return [{k: v for k, v in e.document.items() if k not in omit} for e in self.events if e.type == kind]


def make_app(app_id: str = "/web", **fields: Any) -> App:
    versions = {"version": VERSION, "last_scaling_at": VERSION, "last_config_change_at": VERSION}
    return App(id=app_id, **{**versions, "cmd": "sleep 1d", **fields})


def make_instance(app_id: str = "/web", **fields: Any) -> Instance:
    defaults: dict[str, Any] = {
        "id": new_id(app_id),
        "version": VERSION,
        "role": "*",
        "agent_id": "agent-1",
        "hostname": "a-1",
        "attributes": {},
        "region": None,
        "zone": None,
        "host_ports": (31000,),
        "staged_at": VERSION,
        "since": VERSION,
    }
    if fields.get("condition") is Condition.RUNNING:
        defaults |= {"started_at": VERSION, "mesos_state": "TASK_RUNNING"}
    return Instance(app_id=app_id, **{**defaults, **fields})
