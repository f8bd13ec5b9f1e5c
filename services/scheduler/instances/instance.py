"""One instance of an application: a task on an agent, from the moment it is sent to its end."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """Marathon's instance conditions, as its events name them."""

    PROVISIONED = "Provisioned"  # sent to Mesos, nothing heard yet
    CREATED = "Created"
    STAGING = "Staging"
    STARTING = "Starting"
    RUNNING = "Running"
    KILLING = "Killing"
    UNREACHABLE = "Unreachable"
    UNREACHABLE_INACTIVE = "UnreachableInactive"  # replaced, not yet forgotten
    FINISHED = "Finished"
    FAILED = "Failed"
    KILLED = "Killed"
    ERROR = "Error"
    DROPPED = "Dropped"
    GONE = "Gone"
    UNKNOWN = "Unknown"

    @property
    def is_terminal(self) -> bool:
        """The task is over and holds no resources."""
        return self in _TERMINAL

    @property
    def is_active(self) -> bool:
        """Counts toward the wanted number of instances."""
        return not self.is_terminal and self not in (Condition.UNREACHABLE_INACTIVE, Condition.KILLING)


_TERMINAL = frozenset(
    {
        Condition.FINISHED,
        Condition.FAILED,
        Condition.KILLED,
        Condition.ERROR,
        Condition.DROPPED,
        Condition.GONE,
        Condition.UNKNOWN,
    }
)


@dataclass(slots=True)
class Instance:
    """Mutable; changed only by `registry.Registry`, which saves it and tells the listeners."""

    id: str  # team_app.instance-<uuid>
    app_id: str  # /team/app
    version: str  # App.version that it runs
    role: str
    agent_id: str
    hostname: str
    attributes: Mapping[str, str]  # of the agent, as text: what constraints look at
    region: str | None
    zone: str | None
    host_ports: tuple[int, ...]  # in the order of the application's port list
    staged_at: str  # when it was sent
    condition: Condition = Condition.PROVISIONED
    mesos_state: str = "TASK_STAGING"  # the last state Mesos told
    since: str = ""  # when `condition` began
    started_at: str | None = None
    ip_addresses: tuple[str, ...] = ()
    healthy: bool | None = None  # None: not known yet, or no health check
    health_since: str | None = None
    consecutive_failures: int = 0
    ready: bool = False  # readiness checks passed, or there are none
    message: str = ""
    container_id: str | None = None

    @property
    def task_id(self) -> str:
        """The Mesos task id; what the API calls a task's id."""
        return f"{self.id}._app.1"


def new_id(app_id: str) -> str:
    """`/team/app` -> `team_app.instance-<uuid4>`: the format of Marathon 1.8 and later."""
    return f"{app_id.strip('/').replace('/', '_')}.instance-{uuid.uuid4()}"


def instance_of_task(task_id: str) -> str:
    """The instance id in a task id of ours."""
    return task_id.split("._app", 1)[0]
