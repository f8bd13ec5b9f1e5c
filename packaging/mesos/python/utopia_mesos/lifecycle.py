"""From LAUNCH to the last status update of one task."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .checks import Monitor, empty_check_status
from .task import Running, Task, TaskError
from .values import NANOSECONDS, Json, grace_period, log


class Lifecycle:
    """Runs the task in a thread of its own. `report(state, details)` queues an update, `ended` comes last."""

    def __init__(
        self,
        info: Json,
        make_task: Callable[[Json], Task],
        report: Callable[[str, Json], None],
        ended: Callable[[], None],
    ) -> None:
        self.info = info
        self._make_task = make_task
        self._report = report
        self._ended = ended
        self._lock = threading.Lock()
        self._task: Task | None = None
        self._monitor: Monitor | None = None
        self._details: Json = {}
        self._killed = False
        self._time_is_up = False

    def start(self) -> None:
        """Returns at once."""
        self._update("TASK_STARTING")
        _background("task", self._run)

    def kill(self, grace: float | None, *, announce: bool) -> None:
        """A later call can shorten the grace. `announce`: send TASK_KILLING, for frameworks that know it."""
        with self._lock:
            first, self._killed = not self._killed, True
        if first and announce:
            self._update("TASK_KILLING")
        self._stop(grace)

    def _run(self) -> None:
        try:
            task = self._make_task(self.info)
            with self._lock:
                self._task = None if self._killed else task
            if self._task is None:
                self._finish("TASK_KILLED", "killed before it was started")
                return
            outcome = task.run(self._started)
        except TaskError as error:
            self._finish("TASK_KILLED" if self._killed else "TASK_FAILED", str(error))
        except Exception as error:
            self._finish("TASK_FAILED", f"executor error: {type(error).__name__}: {error}")
            raise
        else:
            if self._time_is_up:
                self._finish("TASK_FAILED", outcome.message, reason="REASON_MAX_COMPLETION_TIME_REACHED")
            elif self._killed:
                self._finish("TASK_KILLED", outcome.message)
            else:
                self._finish("TASK_FINISHED" if outcome.status == 0 else "TASK_FAILED", outcome.message)

    def _started(self, running: Running) -> None:
        with self._lock:
            self._details.update(running.details)
            if "check" in self.info:
                self._details["check_status"] = empty_check_status(self.info["check"])
        self._update("TASK_RUNNING", **running.first)
        monitor = Monitor(self.info, running.prober)
        with self._lock:
            self._monitor = monitor
        if not self._killed:
            monitor.start(self._on_health, self._on_check)
        longest = (self.info.get("max_completion_time") or {}).get("nanoseconds")
        if longest is not None:
            timer = threading.Timer(int(longest) / NANOSECONDS, self._on_time_up)
            timer.daemon = True
            timer.start()

    def _on_time_up(self) -> None:
        if not self._killed:
            self._time_is_up = True
            self._stop(None)

    def _on_health(self, healthy: bool, kill: bool) -> None:
        with self._lock:
            changed = self._details.get("healthy") is not healthy
            self._details["healthy"] = healthy
        if changed:
            self._update("TASK_RUNNING", reason="REASON_TASK_HEALTH_CHECK_STATUS_UPDATED")
        if kill:
            log("too many health checks failed in a row: the task has to go")
            self.kill(None, announce=False)

    def _on_check(self, status: Json) -> None:
        with self._lock:
            self._details["check_status"] = status
        self._update("TASK_RUNNING", reason="REASON_TASK_CHECK_STATUS_UPDATED")

    def _stop(self, grace: float | None) -> None:
        with self._lock:
            task, monitor = self._task, self._monitor
        if monitor is not None:
            monitor.stop()
        if task is None:  # not made yet: _run sees that it was killed
            return
        if grace is None:
            grace = grace_period(self.info.get("kill_policy"))
        seconds = task.default_grace if grace is None else grace
        log(f"stopping the task, {seconds:g} s of grace")
        _background("stop", lambda: task.stop(seconds))

    def _finish(self, state: str, message: str, **details: object) -> None:
        if self._monitor is not None:
            self._monitor.stop()
        log(f"{state}: {message}")
        self._update(state, message=message, **details)
        self._ended()

    def _update(self, state: str, **details: object) -> None:
        with self._lock:
            known = dict(self._details)
        self._report(state, {**known, **details})


def _background(name: str, work: Callable[[], None]) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()
