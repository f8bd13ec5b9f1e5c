"""What the resources work with: this scheduler, and while it leads, its core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from services.scheduler import clock
from services.scheduler.api.answers import Refusal
from services.scheduler.api.changes import Changes
from services.scheduler.api.fragments import Fragments
from services.scheduler.definitions.parse import Policy

if TYPE_CHECKING:
    from services.scheduler.core import Core
    from services.scheduler.metrics import Metrics
    from services.scheduler.settings import Settings


class Leadership(Protocol):
    """The election, as the API sees it."""

    @property
    def is_leader(self) -> bool:
        """This scheduler leads."""

    @property
    def leader(self) -> str | None:
        """host:port of who leads."""


class Context:
    """One per process. `core` comes with the leadership; `abdicate` gives the leadership up."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        leadership: Leadership,
        *,
        logins: Mapping[str, str],
        abdicate: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.leadership = leadership
        self.logins = logins
        self.abdicate = abdicate
        self.started_at = clock.now()
        self.policy = Policy(
            allow_privileged=settings.allow_privileged,
            default_role=settings.mesos_role,
            default_network_name=settings.default_network_name,
            local_port_min=settings.local_port_min,
            local_port_max=settings.local_port_max,
        )
        self.changes = Changes(
            self.policy, low=settings.local_port_min, high=settings.local_port_max, max_apps=settings.max_apps
        )
        self._core: Core | None = None
        self._fragments: Fragments | None = None

    def lead(self, core: Core) -> None:
        """This scheduler leads, and everything is loaded."""
        self._fragments = Fragments(
            core.registry.of,
            deployments=core.deployments.for_app,
            readiness=lambda app_id: [result.document() for result in core.readiness.results(app_id)],
            failure=core.failures.of,
        )
        core.registry.listen(self._fragments.forget)
        self._core = core

    def retire(self) -> None:
        """This scheduler leads no longer: requests are for the next one."""
        self._core = self._fragments = None

    @property
    def leads(self) -> bool:
        """Requests can be answered here."""
        return self._core is not None and self.leadership.is_leader

    @property
    def core(self) -> Core:
        """Raises Refusal (503) while there is none."""
        if self._core is None:
            raise Refusal(503, "Could not determine the current leader")
        return self._core

    @property
    def fragments(self) -> Fragments:
        """Raises Refusal (503) while there are none."""
        if self._fragments is None:
            raise Refusal(503, "Could not determine the current leader")
        return self._fragments
