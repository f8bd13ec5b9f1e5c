"""An executor of one task: subscribes to the agent, passes its events on, survives the agent's restarts."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

from . import agent_api
from .agent_api import AgentApi, RefusedError
from .lifecycle import Lifecycle
from .settings import Settings
from .task import Task
from .updates import Updates
from .values import Json, grace_period, log

MIN_BACKOFF = 0.05
# After its restart the agent waits only 2 s for its executors.
MAX_BACKOFF = 0.5
# Of the shutdown grace period, what is left for the last update and our own end.
SHUTDOWN_RESERVE = 1.5
LAST_WORD_SECONDS = 0.5


class Executor:
    """Connects one task to the agent. `run` does not return: the process ends with the task."""

    def __init__(self, settings: Settings, make_task: Callable[[Json], Task]) -> None:
        self._settings = settings
        self._make_task = make_task
        self._api = AgentApi(settings)
        self._updates = Updates(self._api)
        self._lifecycle: Lifecycle | None = None
        self._announces_killing = False
        self._shutting_down = False

    def run(self) -> None:
        """Stay subscribed until the task's end, the shutdown, or an agent away for too long."""
        self._updates.start()
        away_since = time.monotonic()
        backoff = MIN_BACKOFF
        while True:
            was_subscribed = self._follow_events()
            self._updates.disconnected()
            if was_subscribed:
                away_since, backoff = time.monotonic(), MIN_BACKOFF
            if time.monotonic() - away_since >= self._patience():
                self._shut_down()
            time.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF)

    def _follow_events(self) -> bool:
        """One subscription, to its end. True if there was one."""
        subscribed = False
        try:
            for event in self._subscribe():
                subscribed = subscribed or event["type"] == "SUBSCRIBED"
                self._handle(event)
        except RefusedError as error:
            log(str(error))
        except agent_api.LOST as error:
            log(f"agent lost: {error}")
        return subscribed

    def _patience(self) -> float:
        """Seconds without an agent. Only a checkpointed executor is expected to be there for the next one."""
        if self._settings.checkpoint:
            return self._settings.recovery_timeout
        return 0.0 if self._lifecycle is not None else self._settings.shutdown_grace

    def _subscribe(self) -> Iterator[Json]:
        carried = self._updates.subscription(self._lifecycle.info if self._lifecycle is not None else None)
        for event in self._api.subscribe(carried):
            if event["type"] == "SUBSCRIBED":
                self._updates.subscribed(carried)
            yield event

    def _handle(self, event: Json) -> None:
        kind = event["type"]
        if kind == "SUBSCRIBED":
            log("subscribed")
            capabilities = event["subscribed"].get("framework_info", {}).get("capabilities", [])
            self._announces_killing = any(c.get("type") == "TASK_KILLING_STATE" for c in capabilities)
        elif kind == "LAUNCH":
            self._launch(event["launch"]["task"])
        elif kind == "KILL" and self._lifecycle is not None:
            self._lifecycle.kill(grace_period(event["kill"].get("kill_policy")), announce=self._announces_killing)
        elif kind == "ACKNOWLEDGED":
            self._updates.acknowledged(event["acknowledged"]["uuid"])
        elif kind == "SHUTDOWN":
            self._shut_down()
        elif kind == "ERROR":
            log(f"the agent says: {event['error'].get('message')}")

    def _launch(self, info: Json) -> None:
        def report(state: str, details: Json) -> None:
            self._updates.put(self._settings.executor_id, info["task_id"], state, details)

        if self._lifecycle is not None:
            report("TASK_FAILED", {"message": "this executor has a task already"})
            return
        self._lifecycle = Lifecycle(info, self._make_task, report, self._ended)
        self._lifecycle.start()

    def _ended(self) -> None:
        # After a shutdown there may be no framework any more for which the agent would acknowledge.
        self._updates.wait_until_all_acknowledged(LAST_WORD_SECONDS if self._shutting_down else None)
        self._exit()

    def _shut_down(self) -> None:
        """Stop the task and end, within the time after which the agent would end us by force."""
        if self._shutting_down:
            return
        self._shutting_down = True
        log("shutting down")
        if self._lifecycle is None:
            self._exit()
            return
        timer = threading.Timer(self._settings.shutdown_grace, self._exit)
        timer.daemon = True
        timer.start()
        self._lifecycle.kill(max(0.0, self._settings.shutdown_grace - SHUTDOWN_RESERVE), announce=False)

    @staticmethod
    def _exit() -> None:
        os._exit(0)  # other threads still wait for the network, and nothing of theirs is needed any more
