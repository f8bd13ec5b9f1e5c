"""A view of Marathon: kept by events, read whole from time to time; the last one stays while Marathon is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from services.router.marathon import view
from services.router.marathon.client import MarathonClient, MarathonError
from services.router.marathon.sse import Event
from services.router.settings import SettingsError

log = logging.getLogger(__name__)

SINGLE = 20  # more applications than these are cheaper to ask for all at once
POLL_SECONDS = 1.0  # readiness results change without an event, and so does everything without a stream
BACKOFF = (0.2, 1.0)  # seconds before the stream is opened again: first, most. Kills are announced 3 s before.
# Events of one application and where its id stands; others that matter mean: ask for all.
APP_EVENTS = {
    "status_update_event": "appId",
    "health_status_changed_event": "appId",
    "app_terminated_event": "appId",
    "add_health_check_event": "appId",
    "remove_health_check_event": "appId",
    "failed_health_check_event": "appId",
    "unhealthy_task_kill_event": "appId",
    "instance_changed_event": "runSpecId",
    "instance_health_changed_event": "runSpecId",
    "unhealthy_instance_kill_event": "runSpecId",
}
# Marathon sends the headers of a stream before it attaches it (Jetty's EventSourceServlet): what happened between
# these two is in nobody's event, so both mean a reading.
ALL_EVENTS = frozenset(
    {
        *("connected", "event_stream_attached", "api_post_event"),
        *("group_change_success", "group_change_failed", "deployment_info"),
        *("deployment_success", "deployment_failed", "deployment_step_success", "deployment_step_failure"),
        *("scheduler_registered_event", "scheduler_reregistered_event", "unknown_instance_terminated_event"),
    }
)


class Watcher:
    """`changed` is called when the view is another one. `apps` and `problems` are replaced, never changed."""

    def __init__(
        self,
        client: MarathonClient,
        *,
        changed: Callable[[], None],
        resync: float,
        coalesce: float,
        known: Mapping[str, dict[str, Any]] | None = None,
        known_at: float | None = None,
    ) -> None:
        self.documents: dict[str, dict[str, Any]] = dict(known or {})
        self.read_at: float | None = known_at  # Unix seconds of the view
        self.fresh = False  # read since the start
        self.last_error: str | None = None
        self.streaming = False
        self.events = 0
        self.reads = 0
        self.apps: Mapping[str, view.App] = {}
        self.problems: Mapping[str, str] = {}
        self._client = client
        self._changed = changed
        self._resync = resync
        self._coalesce = coalesce
        self._wake = asyncio.Event()
        self._dirty: set[str] = set()
        self._all = True
        self._parse({})

    def notice(self) -> None:
        """Something changed somewhere: ask for everything."""
        self._all = True
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._keep_reading())

    async def _keep_reading(self) -> None:
        pause, last_all = 0.0, float("-inf")
        while True:
            await asyncio.sleep(pause)
            started = time.monotonic()
            if started - last_all >= self._resync or self._must_ask:
                self._all = True
            if self._all or self._dirty:
                everything = self._all or len(self._dirty) > SINGLE
                if await self._read(everything) and everything:
                    last_all = started
            took = time.monotonic() - started
            pause = max(self._coalesce, min(took, 5.0))  # never busy with Marathon more than half of the time
            try:
                async with asyncio.timeout(self._until_next(started, last_all)):
                    await self._wake.wait()
                pause = max(0.0, pause - (time.monotonic() - started - took))
            except TimeoutError:
                pause = 0.0
            self._wake.clear()

    @property
    def _must_ask(self) -> bool:
        """Nobody would tell: Marathon did not answer, there is no stream, or readiness checks are under way."""
        if self.last_error or not self.streaming:
            return True
        return any(app.changing for app in self.apps.values())

    def _until_next(self, now: float, last_all: float) -> float:
        if self._must_ask:
            return POLL_SECONDS
        return max(0.05, self._resync - (now - last_all))

    async def _read(self, everything: bool) -> bool:
        dirty, self._dirty, self._all = self._dirty, set(), False
        documents = dict(self.documents)
        try:
            if everything:
                documents = {}
                for document in await self._client.apps():
                    self._keep(documents, document)
            else:
                answers = await asyncio.gather(*(self._client.app(identity) for identity in dirty))
                for identity, document in zip(dirty, answers, strict=True):
                    documents.pop(identity, None)
                    if document is not None:
                        self._keep(documents, document)
        except (MarathonError, SettingsError) as error:
            if self.last_error != str(error):
                log.warning("Marathon: %s", error)
            self.last_error, self._all = str(error), True
            return False
        self.reads += 1
        self.last_error = None
        self.read_at = time.time()
        first, self.fresh = not self.fresh, True
        if documents != self.documents or first:
            before, self.documents = self.documents, documents
            self._parse(before)
            self._changed()
        return True

    def _keep(self, documents: dict[str, dict[str, Any]], document: Any) -> None:
        try:
            kept = view.trimmed(document)
        except view.AppError as error:
            log.warning("Marathon: %s", error)
        else:
            documents["/" + kept["id"].lstrip("/")] = kept

    def _parse(self, before: Mapping[str, Any]) -> None:
        """Only what is not as it was `before`."""
        apps, problems = {}, {}
        for identity, document in self.documents.items():
            known = self.apps.get(identity)
            if known is not None and identity not in self.problems and before.get(identity) == document:
                apps[identity] = known
                continue
            try:
                apps[identity] = view.app(document)
            except view.AppError as error:
                problems[identity] = str(error)
                if known is not None:  # the last one that was understood
                    apps[identity] = known
        self.apps, self.problems = apps, problems

    async def _follow(self) -> None:
        pause = BACKOFF[0]
        while True:
            try:
                async for event in self._client.events():
                    self.streaming, pause = True, BACKOFF[0]
                    self._on_event(event)
                problem = "the stream ended"
            except (MarathonError, SettingsError) as error:
                problem = str(error)
            if self.streaming:
                log.warning("Marathon's events: %s", problem)
            self.streaming = False
            self.notice()
            await asyncio.sleep(pause)
            pause = min(BACKOFF[1], pause * 2)

    def _on_event(self, event: Event) -> None:
        self.events += 1
        if event.name in ALL_EVENTS:
            self.notice()
            return
        field = APP_EVENTS.get(event.name)
        if field is None:
            return
        try:
            identity = orjson.loads(event.data).get(field)
        except (ValueError, AttributeError):
            identity = None
        if isinstance(identity, str) and identity:
            self._dirty.add("/" + identity.lstrip("/"))
            self._wake.set()
        else:
            self.notice()
