"""What the agent tells an executor through its environment."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field

from .values import parse_duration

TOKEN = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN"  # noqa: S105 - the name of the variable


@dataclass(frozen=True)
class Settings:
    """Identity of the executor, where its agent is, and how long it waits. Times in seconds."""

    agent_host: str
    agent_port: int
    framework_id: str
    executor_id: str
    checkpoint: bool
    recovery_timeout: float
    shutdown_grace: float
    token: str | None = field(default=None, repr=False)


def from_environment(environment: MutableMapping[str, str]) -> Settings:
    """Read the settings and take the token out of `environment`, so that no task inherits it."""
    host, _, port = environment["MESOS_AGENT_ENDPOINT"].rpartition(":")
    return Settings(
        agent_host=host.strip("[]"),
        agent_port=int(port),
        framework_id=environment["MESOS_FRAMEWORK_ID"],
        executor_id=environment["MESOS_EXECUTOR_ID"],
        checkpoint=environment.get("MESOS_CHECKPOINT") == "1",
        recovery_timeout=parse_duration(environment.get("MESOS_RECOVERY_TIMEOUT", "15mins")),
        shutdown_grace=parse_duration(environment.get("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs")),
        token=environment.pop(TOKEN, None),
    )
