"""What a kind of task (command, Docker) has to offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from .checks import Prober
from .values import Json

DEFAULT_GRACE = 3.0


class TaskError(Exception):
    """The task cannot be started; the message goes to the framework."""


@dataclass(frozen=True)
class Outcome:
    """How the task ended: exit status (negative: the signal) and a sentence for people."""

    status: int
    message: str


@dataclass(frozen=True)
class Running:
    """What is known once the task runs: its prober, details for every update from now on, and for the first one."""

    prober: Prober
    details: Json = field(default_factory=dict)
    first: Json = field(default_factory=dict)


class Task(ABC):
    """One task. Made from a TaskInfo; making it may raise TaskError."""

    # Seconds between TERM and KILL where neither the kill nor the task names them.
    default_grace = DEFAULT_GRACE

    @abstractmethod
    def run(self, started: Callable[[Running], None]) -> Outcome:
        """Run to the end; call `started` once. TaskError if it cannot be started."""

    @abstractmethod
    def stop(self, grace: float) -> None:
        """End the task within `grace` seconds, by force after them. May be called again with less grace."""
