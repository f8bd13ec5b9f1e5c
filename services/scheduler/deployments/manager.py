"""Deployments: makes them, keeps two from touching one application, cancels and rolls them back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from services.scheduler import clock
from services.scheduler.definitions.app import App
from services.scheduler.definitions.group import Group
from services.scheduler.deployments import changes as changing
from services.scheduler.deployments import stored
from services.scheduler.deployments.executor import Deployment
from services.scheduler.deployments.parts import Parts, Store
from services.scheduler.deployments.plan import DeploymentPlan, plan
from services.scheduler.root import Root
from services.scheduler.storage.connection import SessionLostError
from services.scheduler.storage.writer import FencedError, StorageError

log = logging.getLogger(__name__)

STORE_ERRORS = (FencedError, SessionLostError, StorageError)
Target = Group | Callable[[Group, str], Group | Awaitable[Group]]


class DeploymentRefused(Exception):  # noqa: N818 - an answer, not a fault
    """The state of all applications stays as it is."""


class Locked(DeploymentRefused):
    """Other deployments are changing the same applications; `deployments` are their ids."""

    def __init__(self, deployments: Iterable[str]) -> None:
        self.deployments = tuple(deployments)
        super().__init__(
            "App is locked by one or more deployments. Override with the option '?force=true'. "
            "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
        )


class TooManyDeployments(DeploymentRefused):
    """`max_running_deployments` are under way."""

    def __init__(self, maximum: int) -> None:
        super().__init__(
            f"Max number ({maximum}) of running deployments is achieved. Wait for existing deployments to complete or "
            "cancel one. You can increase max deployment number by using --max_running_deployments parameter"
        )


class UnknownDeployment(DeploymentRefused):
    """There is none with that id (any more)."""

    def __init__(self, deployment_id: str) -> None:
        super().__init__(f"DeploymentPlan {deployment_id} does not exist")


class DeploymentManager:
    """One per leading scheduler. Changes of the root go through it, one after the other."""

    def __init__(
        self, root: Root, parts: Parts, store: Store, *, maximum: int, unlocked: Callable[[str], None] | None = None
    ) -> None:
        """`unlocked(app id)`: no deployment looks after the application any more."""
        self._root = root
        self._unlocked = unlocked
        self._parts = parts
        self._store = store
        self._maximum = maximum
        self._running: dict[str, Deployment] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._by_app: dict[str, str] = {}  # application -> the deployment that locks it
        self._order = asyncio.Lock()
        self._idle: dict[str, asyncio.Event] = {}
        self._stopped = False

    # -- looking -----------------------------------------------------------------------------------------------

    def all(self) -> list[Deployment]:
        """Those under way, oldest first."""
        return sorted(self._running.values(), key=lambda deployment: deployment.plan.version)

    def get(self, deployment_id: str) -> Deployment | None:
        """None: there is none, or it has ended."""
        return self._running.get(deployment_id)

    def for_app(self, app_id: str) -> list[str]:
        """The ids of the deployments that change the application: none or one."""
        deployment_id = self._by_app.get(app_id)
        return [] if deployment_id is None else [deployment_id]

    def is_locked(self, app_id: str) -> bool:
        """Whether the number of its instances is a deployment's business at the moment."""
        return app_id in self._by_app

    def wake(self, app_id: str) -> None:
        """An instance of the application changed."""
        deployment_id = self._by_app.get(app_id)
        if deployment_id is not None:
            self._running[deployment_id].wake(app_id)

    async def finished(self, deployment_id: str) -> None:
        """Returns when it has ended, however; at once if there is none."""
        if deployment_id in self._running:
            await self._idle.setdefault(deployment_id, asyncio.Event()).wait()

    # -- changing ----------------------------------------------------------------------------------------------

    def dry_run(self, target: Group) -> DeploymentPlan:
        """The plan that would be carried out."""
        return plan(self._root.group, target, version=self.next_version())

    def next_version(self) -> str:
        """For definitions made now: later than all before it."""
        return clock.next_after(self._root.group.version)

    async def deploy(
        self,
        target: Target,
        *,
        force: bool = False,
        base: Group | None = None,
        first: Mapping[str, Iterable[str]] | None = None,
        group_id: str = "/",
        version: str | None = None,
    ) -> DeploymentPlan:
        """Makes `target` the state of all applications and starts what leads there.

        `target` is a group made from `base` (by default the root at the time of the call), or a function of the root
        and the new version that makes one, at once or in its own time. What others changed since is kept. `first`:
        instances that go first when their application is scaled down. `force` cancels deployments of the same
        applications.
        Raises Locked, TooManyDeployments, and what the store raises; then nothing has changed.
        """
        base = base or self._root.group

        async def deploy() -> DeploymentPlan:
            async with self._order:
                self._check_leadership()
                try:
                    made = await self._plan(target, base, version, first or {})
                    return await self._begin(*made, force=force, group_id=group_id)
                except DeploymentRefused as refusal:
                    moment = version or clock.now()
                    self._parts.bus.publish(
                        "group_change_failed", groupId=group_id, version=moment, reason=str(refusal)
                    )
                    raise

        # A client that goes away must not stop it half way.
        return await asyncio.shield(asyncio.create_task(deploy()))

    async def cancel(self, deployment_id: str, *, force: bool = False) -> DeploymentPlan | None:
        """Stops a deployment. The answer is the deployment that takes its changes back; with `force` there is none,
        and all stays as it is then. Raises UnknownDeployment.
        """

        async def cancel() -> DeploymentPlan | None:
            async with self._order:
                self._check_leadership()
                deployment = self._running.get(deployment_id)
                if deployment is None:
                    raise UnknownDeployment(deployment_id)
                if not force:
                    return await self._begin(*self._rollback(deployment.plan), force=True, group_id="/")
                await self._halt([deployment])
                for app_id in deployment.plan.affected:
                    self._parts.queue.purge(app_id)
                await self._ended(deployment, "deployment_failed")
                return None

        return await asyncio.shield(asyncio.create_task(cancel()))

    async def resume(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Goes on with what the leader before us had under way."""
        plans = [stored.from_document(document) for document in documents]
        for made, step in sorted(plans, key=lambda item: item[0].version, reverse=True):
            if self._is_outdated(made):
                log.warning("deployment %s was replaced by a later one", made.id)
                await self._store.delete_deployment(made.id)
                continue
            log.info("deployment %s goes on at step %d of %d", made.id, step + 1, len(made.steps))
            self._start(Deployment(made, self._parts, step=step))

    async def stop(self) -> None:
        """Leadership is lost: all ends here, and is stored for the next leader. What waits raises FencedError."""
        self._stopped = True
        await self._halt(list(self._running.values()))
        self._running.clear()
        self._by_app.clear()

    # -- below -------------------------------------------------------------------------------------------------

    def _check_leadership(self) -> None:
        if self._stopped:
            raise FencedError("this scheduler leads no more")

    async def _plan(
        self, target: Target, base: Group, version: str | None, first: Mapping[str, Iterable[str]]
    ) -> tuple[Group, DeploymentPlan]:
        current = self._root.group
        if callable(target):
            version = version or self.next_version()
            made = target(current, version)
            target = await made if isinstance(made, Awaitable) else made
        elif current is not base:
            target = changing.between(base, target).onto(current)
        version = clock.next_after(current.version) if version is None else version
        return target, plan(current, target, version=version, first=first)

    def _rollback(self, made: DeploymentPlan) -> tuple[Group, DeploymentPlan]:
        current, version = self._root.group, self.next_version()
        back = changing.restored(made.changes.reversed(), current, version)
        target = back.onto(current)
        unchanged = {}
        for app_id, change in back.apps.items():
            before, after = made.changes.apps[app_id].before, change.after
            if before is not None and after is not None and after.last_config_change_at == version:
                made_outdated = made.changes.apps[app_id].after
                end = version if made_outdated is None else made_outdated.last_config_change_at
                unchanged[app_id] = (before.last_config_change_at, end)
        return target, plan(current, target, version=version, unchanged=unchanged)

    async def _begin(self, target: Group, made: DeploymentPlan, *, force: bool, group_id: str) -> DeploymentPlan:
        conflicts = [deployment for deployment in self._running.values() if deployment.plan.affected & made.affected]
        if conflicts and not force:
            raise Locked(deployment.plan.id for deployment in conflicts)
        if made.steps and len(self._running) - len(conflicts) >= self._maximum:
            raise TooManyDeployments(self._maximum)
        await self._halt(conflicts)
        deployment = Deployment(made, self._parts)
        self._lock(deployment)  # nobody else may act on what the root says before the deployment does
        try:
            if made.steps:
                await self._store.save_deployment(made.id, stored.to_document(made, 0))
            await self._root.commit(target, made.version)
        except BaseException:
            self._unlock(deployment)
            for conflict in conflicts:
                self._start(conflict)
            if made.steps:
                await self._forget(made.id)
            raise
        for conflict in conflicts:
            await self._ended(conflict, "deployment_failed")
        self._parts.bus.publish("group_change_success", groupId=group_id, version=made.version)
        if made.steps:
            log.info("deployment %s of %s", made.id, ", ".join(sorted(made.affected)))
            self._start(deployment)
        else:
            self._unlock(deployment)
            self._parts.bus.publish("deployment_success", id=made.id, plan=made.event_document())
        return made

    def _lock(self, deployment: Deployment) -> None:
        self._running[deployment.plan.id] = deployment
        for app_id in deployment.plan.affected:
            self._by_app[app_id] = deployment.plan.id

    def _unlock(self, deployment: Deployment) -> None:
        self._running.pop(deployment.plan.id, None)
        for app_id in deployment.plan.affected:
            if self._by_app.get(app_id) == deployment.plan.id:
                del self._by_app[app_id]
                if self._unlocked is not None:
                    self._unlocked(app_id)

    def _start(self, deployment: Deployment) -> None:
        if self._stopped:  # while it was being stored: the next leader begins it
            return
        self._lock(deployment)
        name = f"deployment {deployment.plan.id}"
        self._tasks[deployment.plan.id] = asyncio.create_task(self._run(deployment), name=name)

    async def _run(self, deployment: Deployment) -> None:
        try:
            await deployment.run(self._save)
        except Exception:
            log.exception("deployment %s failed", deployment.plan.id)
            event = "deployment_failed"
        else:
            event = "deployment_success"
        async with self._order:
            if self._tasks.get(deployment.plan.id) is asyncio.current_task():
                del self._tasks[deployment.plan.id]
                await self._ended(deployment, event)

    async def _save(self, deployment: Deployment) -> None:
        """The step is kept to spare a later leader the looks at those before: none of them is done twice."""
        document = stored.to_document(deployment.plan, deployment.step)
        try:
            await self._store.save_deployment(deployment.plan.id, document)
        except STORE_ERRORS as error:
            log.warning("deployment %s is at step %d, not stored: %s", deployment.plan.id, deployment.step + 1, error)

    async def _halt(self, deployments: Iterable[Deployment]) -> None:
        """Nothing of them goes on; they still lock."""
        tasks = [task for deployment in deployments if (task := self._tasks.pop(deployment.plan.id, None))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ended(self, deployment: Deployment, event_type: str) -> None:
        made = deployment.plan
        self._unlock(deployment)
        self._parts.bus.publish(event_type, id=made.id, plan=made.event_document())
        idle = self._idle.pop(made.id, None)
        if idle is not None:
            idle.set()
        await self._forget(made.id)

    async def _forget(self, deployment_id: str) -> None:
        try:
            await self._store.delete_deployment(deployment_id)
        except STORE_ERRORS as error:  # a later leader finds out that there is nothing left to do
            log.warning("deployment %s is over and still stored: %s", deployment_id, error)

    def _is_outdated(self, made: DeploymentPlan) -> bool:
        """It was stored, and the root that it leads to is not, or is no more: a later one took its place."""

        def differs(app_id: str, after: App | None) -> bool:
            current = self._root.group.app(app_id)
            return (current.version if current else None) != (after.version if after else None)

        if any(app_id in self._by_app for app_id in made.affected):
            return True
        return any(differs(app_id, made.changes.apps[app_id].after) for app_id in made.affected)
