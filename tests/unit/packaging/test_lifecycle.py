"""From LAUNCH to the last update, with tasks that do what they are told."""

import threading
from collections.abc import Callable
from typing import Any

from utopia_mesos.lifecycle import Lifecycle
from utopia_mesos.task import Outcome, Running, Task, TaskError


class NoProber:
    http = tcp = command = None


class FakeTask(Task):
    """Runs until it is stopped, or ends by itself with `status`."""

    def __init__(self, status: int | None = None) -> None:
        self.status = status
        self.stopped = threading.Event()
        self.graces: list[float] = []

    def run(self, started: Callable[[Running], None]) -> Outcome:
        started(Running(prober=NoProber(), details={"detail": 1}, first={"data": "x"}))  # type: ignore[arg-type]
        if self.status is None:
            assert self.stopped.wait(10)
        return Outcome(self.status or 0, "it ended")

    def stop(self, grace: float) -> None:
        self.graces.append(grace)
        self.stopped.set()


class Life:
    """A lifecycle and what it reported."""

    def __init__(self, make: Callable[[Any], Task], info: dict[str, Any] | None = None) -> None:
        self.updates: list[tuple[str, dict[str, Any]]] = []
        self.running = threading.Event()
        self.ended = threading.Event()
        self.cycle = Lifecycle(info or {}, make, self._report, self.ended.set)

    def _report(self, state: str, details: dict[str, Any]) -> None:
        self.updates.append((state, details))
        if state == "TASK_RUNNING":
            self.running.set()

    def states(self) -> list[str]:
        assert self.ended.wait(10)
        return [state for state, _ in self.updates]


def test_success_and_its_details() -> None:
    life = Life(lambda _: FakeTask(0))
    life.cycle.start()
    assert life.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    assert life.updates[1][1] == {"detail": 1, "data": "x"}
    assert life.updates[2][1] == {"detail": 1, "message": "it ended"}


def test_failure() -> None:
    life = Life(lambda _: FakeTask(1))
    life.cycle.start()
    assert life.states()[-1] == "TASK_FAILED"


def test_a_task_that_cannot_be_made() -> None:
    def make(_: Any) -> Task:
        raise TaskError("no such thing")

    life = Life(make)
    life.cycle.start()
    assert life.states() == ["TASK_STARTING", "TASK_FAILED"]
    assert life.updates[-1][1]["message"] == "no such thing"


def test_killed_before_it_was_made() -> None:
    life = Life(lambda _: FakeTask())
    life.cycle.kill(None, announce=True)
    life.cycle.start()
    assert life.states() == ["TASK_KILLING", "TASK_STARTING", "TASK_KILLED"]


def test_grace_of_the_kill_of_the_task_and_by_default() -> None:
    info = {"kill_policy": {"grace_period": {"nanoseconds": 7 * 10**9}}}
    for grace, task_info, expected in ((1.0, info, 1.0), (None, info, 7.0), (None, {}, 3.0), (0.0, info, 0.0)):
        task = FakeTask()
        life = Life(lambda _, task=task: task, task_info)
        life.cycle.start()
        assert life.running.wait(10)
        life.cycle.kill(grace, announce=False)
        assert life.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]
        assert task.graces == [expected]


def test_a_second_kill_is_passed_on_but_announced_once() -> None:
    task = FakeTask()
    life = Life(lambda _: task)
    life.cycle.start()
    assert life.running.wait(10)
    life.cycle.kill(9, announce=True)
    life.cycle.kill(1, announce=True)
    assert life.states().count("TASK_KILLING") == 1


def test_a_check_begins_with_an_empty_status() -> None:
    info = {"check": {"type": "HTTP", "http": {"port": 1}, "delay_seconds": 100}}
    life = Life(lambda _: FakeTask(0), info)
    life.cycle.start()
    assert life.states()[1] == "TASK_RUNNING"
    assert life.updates[1][1]["check_status"] == {"type": "HTTP", "http": {}}


def test_longer_than_allowed() -> None:
    life = Life(lambda _: FakeTask(), {"max_completion_time": {"nanoseconds": 10**7}})
    life.cycle.start()
    assert life.states()[-1] == "TASK_FAILED"
    assert life.updates[-1][1]["reason"] == "REASON_MAX_COMPLETION_TIME_REACHED"
