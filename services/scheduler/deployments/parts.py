"""What deployments need of the rest of the scheduler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from services.scheduler.definitions.app import App
from services.scheduler.deployments.readiness import ReadinessChecker
from services.scheduler.events import EventBus
from services.scheduler.instances.instance import Instance


class Instances(Protocol):
    """The registry, as far as deployments look into it."""

    def of(self, app_id: str) -> Mapping[str, Instance]:
        """The application's instances by id."""

    def update(self, instance: Instance, **changes: Any) -> bool:
        """Change fields of an instance."""


class Queue(Protocol):
    """What is waiting for offers."""

    def add(self, app: App, count: int) -> None:
        """So many more, with this definition."""

    def set(self, app: App, count: int) -> None:
        """So many, with this definition."""

    def purge(self, app_id: str) -> None:
        """None of it."""

    def count(self, app_id: str) -> int:
        """How many wait."""

    def reset_delay(self, app_id: str) -> None:
        """The next launch does not wait for what failed before."""


class Killer(Protocol):
    """Ends instances, and sees to it that they end."""

    def kill(self, instances: Iterable[Instance], *, wipe: bool = False) -> None:
        """`wipe`: forget them at once, too, whether they can be reached or not."""


class Store(Protocol):
    """Where deployments outlive this process."""

    async def save_deployment(self, deployment_id: str, document: Mapping[str, Any]) -> None:
        """Add or change."""

    async def delete_deployment(self, deployment_id: str) -> None:
        """Forget."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Given to every action."""

    instances: Instances
    queue: Queue
    killer: Killer
    readiness: ReadinessChecker
    bus: EventBus
