"""The sequence: deploy, reach, scale, change under load, remove. What is there and well is only looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.errors import NotReadyError, VerifyError
from bootstrap.smoke import sample
from bootstrap.smoke.edge import Edge, SteadyCallers
from bootstrap.smoke.marathon import Marathon, healthy

DEPLOY_SECONDS = 120.0  # of an application or a change
ROUTE_SECONDS = 30.0  # from a healthy instance to its being served
_HELLO = "version 1"
_AFTERWARDS = 30  # requests to the new version alone

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Proof:
    """`edges`: all of them; `domain`: of the environment."""

    marathon: Marathon
    edges: Sequence[Edge]
    domain: str

    def holds(self) -> bool:
        """Whether the sample application is there as wanted, healthy, and served by every edge."""
        wanted, host = self._hello(), self._host(sample.HELLO)
        found = self.marathon.app(sample.HELLO)
        if found is None or not sample.is_as_wanted(found, wanted):
            return False
        if self.marathon.app(sample.SCRATCH) is not None:  # an earlier run was cut short
            return False
        if found.get("deployments") or not healthy(found) == found["instances"] >= 1:
            return False
        if not all(sample.HELLO in edge.rules() for edge in self.edges):
            return False
        for edge in self.edges:
            edge.await_status(host, 200, ROUTE_SECONDS, text=_HELLO)
        return True

    def show(self, tell: Tell) -> str:
        """Everything, with a copy of the application that is gone afterwards; a line about what was seen."""
        try:
            self._deploy(tell)
            return self._change(tell)
        finally:
            self._remove(tell)

    def _deploy(self, tell: Tell) -> None:
        tell("deploying the sample application")
        for definition in (self._hello(), self._scratch("version 1", 2)):
            self.marathon.put(definition)
            self.edges[0].save(sample.rule(definition["id"], self.domain))
        self.marathon.await_healthy(sample.HELLO, sample.INSTANCES, DEPLOY_SECONDS)
        self.marathon.await_healthy(sample.SCRATCH, 2, DEPLOY_SECONDS)
        for edge in self.edges:
            edge.await_status(self._host(sample.HELLO), 200, ROUTE_SECONDS, text=_HELLO)
            edge.await_status(self._host(sample.SCRATCH), 200, ROUTE_SECONDS)

    def _change(self, tell: Tell) -> str:
        tell("scaling it and rolling a new version under load")
        with SteadyCallers(self.edges[0], self._host(sample.SCRATCH)) as callers:
            self.marathon.scale(sample.SCRATCH, 3)
            self.marathon.await_healthy(sample.SCRATCH, 3, DEPLOY_SECONDS)
            self.marathon.put(self._scratch("version 2", 3))
            self.marathon.await_healthy(sample.SCRATCH, 3, DEPLOY_SECONDS)
            self.edges[0].await_status(self._host(sample.SCRATCH), 200, ROUTE_SECONDS, text="version 2")
            callers.await_more(_AFTERWARDS, ROUTE_SECONDS)
        if callers.failures or not callers.answers:
            raise VerifyError(
                f"{callers.failures.total()} of {callers.answers} requests failed while a new version was rolled",
                where=f"{self._host(sample.SCRATCH)} at {self.edges[0].node}",
                lines=[f"{count} times: {what}" for what, count in callers.failures.most_common(5)],
                cause="an instance was ended before the router had let go of it",
                next_step="bootstrap status; then run the same command again",
            )
        return f"scaled and changed under load: {callers.answers} requests, none failed"

    def _remove(self, tell: Tell) -> None:
        tell("removing the copy")
        self.marathon.remove(sample.SCRATCH)
        self.edges[0].forget(sample.SCRATCH)
        self.marathon.await_gone(sample.SCRATCH, DEPLOY_SECONDS)
        for edge in self.edges:
            _await_unserved(edge, self._host(sample.SCRATCH))

    def _hello(self) -> dict[str, Any]:
        return sample.application(sample.HELLO, instances=sample.INSTANCES, version=_HELLO)

    def _scratch(self, version: str, instances: int) -> dict[str, Any]:
        return sample.application(sample.SCRATCH, instances=instances, version=version)

    def _host(self, app: str) -> str:
        return sample.hosts(app, self.domain)[0]


def _await_unserved(edge: Edge, host: str) -> None:
    """A name that nobody has any more gets a page that says so, and never another application's."""
    try:
        edge.await_status(host, 404, ROUTE_SECONDS)
    except NotReadyError as error:
        raise NotReadyError(
            f"{host} is still routed after its application was removed",
            where=error.where,
            lines=error.lines,
            cause=error.cause,
            next_step=error.next_step,
        ) from error
