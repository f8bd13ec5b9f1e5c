"""Offers in, tasks out: places what waits in the queue and gives back what is not used."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.scheduler import clock
from services.scheduler.definitions.app import App
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.pace import Pace, each, set_within
from services.scheduler.instances.registry import Change, Registry
from services.scheduler.launching.demand import Demand
from services.scheduler.launching.queue import Item, LaunchQueue
from services.scheduler.mesos.calls import MesosCalls
from services.scheduler.mesos.client import MesosError
from services.scheduler.placement import matching, task_info
from services.scheduler.placement.constraints import Tally
from services.scheduler.placement.offer import Offer

log = logging.getLogger(__name__)

# Applications tried on one offer, so that many that fit nowhere do not stop the others: at most, at least, and
# what is spent on a round of offers.
_TRIES, _FEW_TRIES, _TRIES_OF_ROUND = 64, 8, 50_000
_RETRY = 1.0  # seconds after a call failed
_REJECTED = 30.0  # seconds until an offer that did not fit comes again
_DECLINED_AT_ONCE = 1000


@dataclass(slots=True)
class _Place:
    """An offer with what is put into it."""

    offer: Offer
    remaining: matching.Remaining
    launches: list[tuple[App, Instance, matching.Match]] = field(default_factory=list)


class Launcher:
    """`run()` works until it is cancelled; it raises what the registry's store raises."""

    def __init__(
        self,
        mesos: MesosCalls,
        queue: LaunchQueue,
        registry: Registry,
        *,
        task_settings: task_info.TaskSettings | None = None,
        policy: matching.Policy | None = None,
        max_instances_per_offer: int = 5,
        decline_seconds: float = 120.0,
        revive_interval: float = 5.0,
    ) -> None:
        self.launched = 0  # tasks sent to Mesos
        self.declined = 0  # offers given back
        self._mesos = mesos
        self._queue = queue
        self._registry = registry
        self._task_settings = task_settings or task_info.TaskSettings()
        self.policy = policy or matching.Policy()
        self._max_per_offer = max_instances_per_offer
        self._decline_seconds = decline_seconds
        self._demand = Demand(mesos, revive_interval=revive_interval)
        self._pending: dict[str, dict[str, Any]] = {}  # offer id -> document, in the order they came
        self._tallies: dict[str, Tally] = {}
        self._first = 0  # where the next offer begins in the list of what is wanted
        self._open = False  # subscribed, and that is stored
        self._work = asyncio.Event()
        queue.listen(self._work.set)
        registry.listen(self._instance_changed)

    def offer(self, documents: Iterable[dict[str, Any]]) -> None:
        """New offers, as in the OFFERS event."""
        self._pending |= {document["id"]["value"]: document for document in documents}
        self._work.set()

    def rescind(self, offer_id: str) -> None:
        """An offer that is no longer there."""
        self._pending.pop(offer_id, None)

    def subscribed(self) -> None:
        """A new subscription: work may begin."""
        self._open = True
        self._demand.forget()
        self._work.set()

    def disconnected(self) -> None:
        """What was offered is void."""
        self._open = False
        self._pending.clear()

    async def run(self) -> None:
        """Place and decline as offers and wishes come."""
        while True:
            self._work.clear()
            wait = await self._round()
            await set_within(self._work, wait)

    async def _round(self) -> float | None:
        """Work on what is there; seconds until there is something to do without anything happening."""
        if not self._open:
            return None
        if self._pending:
            pending, self._pending = self._pending, {}
            await self._use(pending)
            await _let_go(pending)
        next_ready = self._queue.next_ready()  # before `ready`: a delay that ends meanwhile must not be missed
        try:
            again = await self._demand.tell(self._queue.ready())
        except MesosError as error:
            log.warning("offers are neither revived nor suppressed: %s", error)
            again = _RETRY
        waits = [wait for wait in (again, next_ready) if wait is not None]
        return max(min(waits), 0.01) if waits else None

    async def _use(self, pending: dict[str, dict[str, Any]]) -> None:
        ready = self._queue.ready()
        self._demand.judging(ready)
        places = await self._place(list(pending.values()), ready) if ready else []
        used = [place for place in places if place.launches]
        if used:
            await self._registry.flush()
            await each(used, self._launch)
        unused = pending.keys() - {place.offer.id for place in used}
        refuse = min(_REJECTED, self._decline_seconds) if self._queue.ready() else self._decline_seconds
        await self._decline([offer_id for offer_id in pending if offer_id in unused], refuse)
        if not self._queue.items():
            self._tallies.clear()

    async def _place(self, documents: Sequence[dict[str, Any]], wanted: list[Item]) -> list[_Place]:
        """One instance into each offer, then a second one into those that had room, and so on: spreads them."""
        pace = Pace()
        places: list[_Place] = []
        tries = min(_TRIES, max(_FEW_TRIES, _TRIES_OF_ROUND // len(documents)))
        self._first = random.randrange(len(wanted))  # noqa: S311 - other pairs than in the last round
        for document in documents:
            if not wanted:
                break
            try:
                offer = Offer.parse(document)
            except (KeyError, TypeError, ValueError):
                log.exception("an offer that is not understood is declined: %s", document)
                continue
            place = _Place(offer, matching.Remaining(offer))
            if self._fill(place, wanted, tries):
                places.append(place)
            await pace.turn()
        filled = places
        for _ in range(1, self._max_per_offer):
            if not wanted or not filled:
                break
            again, filled = filled, []
            for place in again:
                if self._fill(place, wanted, tries):
                    filled.append(place)
                await pace.turn()
        return places

    def _fill(self, place: _Place, wanted: list[Item], tries: int) -> bool:
        """Put one instance of the first application that fits; what is wanted no more leaves the list."""
        tried = 0
        now, moment = time.time(), clock.now()
        while wanted and tried < min(tries, len(wanted)):
            self._first %= len(wanted)
            item = wanted[self._first]
            if item.count <= 0 or self._queue.get(item.app.id) is not item:
                del wanted[self._first]
                continue
            tried += 1
            self._first += 1
            try:
                found = matching.match(item.app, place.remaining, self._tally(item.app), now=now, policy=self.policy)
            except Exception:  # one application must not stop all others
                log.exception("%s cannot be placed", item.app.id)
                self._queue.failed(item.app)
                wanted.remove(item)
                continue
            if isinstance(found, matching.Match):
                self._take(place, item, found, moment)
                return True
            item.summary.rejected(place.offer, found.reasons, moment)
        return False

    def _take(self, place: _Place, item: Item, match: matching.Match, moment: str) -> None:
        app = item.app
        instance = match.instance(app, staged_at=moment)
        if not app.readiness_checks:
            instance.ready = True
        place.remaining.take(match)
        place.launches.append((app, instance, match))
        item.summary.used(place.offer, moment)
        self._registry.add(instance)  # counts from now on; sent when it is stored
        self._queue.taken(app.id)
        self._demand.placed(app.id)

    def _tally(self, app: App) -> Tally:
        tally = self._tallies.get(app.id)
        if tally is None or not tally.is_for(app):
            tally = self._tallies[app.id] = Tally(app, self._registry.of(app.id).values())
        return tally

    def _instance_changed(self, instance: Instance, change: Change) -> None:
        tally = self._tallies.get(instance.app_id)
        if tally is None:
            return
        if change is Change.FORGOTTEN:
            tally.remove(instance.id)
        else:
            tally.add(instance)

    async def _launch(self, place: _Place) -> None:
        """ACCEPT for one offer. What was killed while it was being stored is not sent."""
        infos, instances = [], []
        for app, instance, match in place.launches:
            if self._registry.get(instance.id) is not instance or instance.condition is not Condition.PROVISIONED:
                self._drop(instance, Condition.KILLED, "killed before it was launched")
                continue
            try:
                infos.append(task_info.build(app, instance, match, settings=self._task_settings))
                instances.append(instance)
            except Exception as error:  # one application must not stop all others
                log.exception("%s cannot be launched", app.id)
                self._queue.failed(app)
                self._drop(instance, Condition.ERROR, f"no task can be made of it: {error}")
        try:
            await self._mesos.accept(
                [place.offer.id], [{"type": "LAUNCH", "launch": {"task_infos": infos}}] if infos else []
            )
            self.launched += len(infos)
        except MesosError as error:
            log.warning("launch on %s: %s", place.offer.hostname, error)
            if not error.refused:
                return  # it may have arrived: reconciliation finds out
            for instance in instances:
                self._drop(instance, Condition.DROPPED, str(error))

    def _drop(self, instance: Instance, condition: Condition, message: str) -> None:
        self._registry.update(instance, condition=condition, message=message)
        self._registry.forget(instance)

    async def _decline(self, offer_ids: Sequence[str], refuse_seconds: float) -> None:
        for start in range(0, len(offer_ids), _DECLINED_AT_ONCE):
            some = offer_ids[start : start + _DECLINED_AT_ONCE]
            try:
                await self._mesos.decline(some, refuse_seconds=refuse_seconds)
                self.declined += len(some)
            except MesosError as error:
                # The master takes offers back by itself: with a new subscription, or after its --offer_timeout.
                log.warning("%d offers not declined: %s", len(some), error)
                if error.refused and not self._mesos.connected:
                    return


async def _let_go(pending: dict[str, dict[str, Any]]) -> None:
    """Memory of thousands of offers is given back in small parts: all at once it takes as long as reading them."""
    pace = Pace()
    while pending:
        pending.popitem()
        await pace.turn()
