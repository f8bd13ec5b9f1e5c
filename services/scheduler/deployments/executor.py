"""Carries a plan out: step by step, the actions of a step at the same time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from services.scheduler import clock
from services.scheduler.deployments import actions
from services.scheduler.deployments.parts import Parts
from services.scheduler.deployments.plan import Action, DeploymentPlan, step_document
from services.scheduler.instances.pace import Pace, set_within

log = logging.getLogger(__name__)

LOOK_AGAIN = 5.0  # s: at the latest, should nothing tell that an instance changed
SETTLE = 0.02  # s: what changes within this time is looked at once,
SHARE = 5  # or within so many times as long as a look takes: with thousands of instances it is not for nothing

StepSaved = Callable[["Deployment"], Awaitable[None]]


class Deployment:
    """A plan under way. `step` is the index of the current one; it begins at `step` after a failover."""

    def __init__(self, plan: DeploymentPlan, parts: Parts, *, step: int = 0) -> None:
        self.plan = plan
        self.step = step
        self._parts = parts
        self._changed: dict[str, asyncio.Event] = {}
        # Looks come one after the other, and others have their turn between them: those of a thousand applications
        # would hold up the loop.
        self._turn = asyncio.Lock()
        self._pace = Pace()

    def document(self) -> dict[str, Any]:
        """As in `/v2/deployments`."""
        current = self.plan.steps[self.step] if self.step < len(self.plan.steps) else ()
        return {
            "id": self.plan.id,
            "version": self.plan.version,
            "affectedApps": sorted(self.plan.affected),
            "affectedPods": [],
            "steps": self.plan.step_documents(),
            "currentActions": [self._current_action(action) for action in current],
            "currentStep": min(self.step + 1, len(self.plan.steps)),
            "totalSteps": len(self.plan.steps),
        }

    def wake(self, app_id: str) -> None:
        """An instance of the application changed."""
        changed = self._changed.get(app_id)
        if changed is not None:
            changed.set()

    async def run(self, on_step: StepSaved) -> None:
        """Returns when all is done. `on_step` is awaited before each step but the first."""
        first = self.step
        for index in range(first, len(self.plan.steps)):
            self.step = index
            if index > first:
                await on_step(self)
            step = self.plan.steps[index]
            self._publish("deployment_info")
            try:
                async with asyncio.TaskGroup() as group:
                    for action in step:
                        group.create_task(self._carry_out(action))
            except BaseExceptionGroup:
                self._publish("deployment_step_failure")
                raise
            self._publish("deployment_step_success")

    async def _carry_out(self, action: Action) -> None:
        app_id = action.app.id
        changed = self._changed[app_id] = asyncio.Event()
        try:
            async with self._turn:
                await self._pace.turn()
                actions.begin(action, self.plan, self._parts)
            while True:
                async with self._turn:
                    await self._pace.turn()
                    begun = clock.monotonic()
                    if actions.look(action, self.plan, self._parts):
                        break
                    took = clock.monotonic() - begun
                if await set_within(changed, LOOK_AGAIN):
                    await asyncio.sleep(max(SETTLE, SHARE * took))
                    changed.clear()
            log.info("deployment %s: %s of %s done", self.plan.id, action.type.value, app_id)
        finally:
            del self._changed[app_id]
            self._parts.readiness.keep(app_id, ())

    def _current_action(self, action: Action) -> dict[str, Any]:
        results = self._parts.readiness.results(action.app.id) if action.app.readiness_checks else ()
        return {**action.document(), "readinessCheckResults": [result.document() for result in results]}

    def _publish(self, event_type: str) -> None:
        self._parts.bus.publish(
            event_type,
            plan=self.plan.event_document(),
            currentStep=step_document(self.plan.steps[self.step]),
        )
