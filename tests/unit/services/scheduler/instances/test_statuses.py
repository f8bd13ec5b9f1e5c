"""Statuses: applied, told, acknowledged, or answered with a kill."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from unit.services.scheduler.instances.recording import MemoryStore, RecordingMesos, Told, make_app, make_instance

from services.scheduler.definitions.app import App
from services.scheduler.instances.failures import Failures
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.registry import Registry
from services.scheduler.instances.statuses import Statuses
from services.scheduler.mesos.client import MesosError


class Parts:
    def __init__(self, *instances: Instance, app: App | None = None) -> None:
        self.store, self.mesos, self.told = MemoryStore(), RecordingMesos(), Told()
        self.registry = Registry(self.store, self.told.bus, instances)
        self.failures = Failures(self.store)
        self.failed: list[tuple[str, float]] = []
        self.asked: set[str] = set()
        wanted = app or make_app()
        self.statuses = Statuses(
            self.mesos,
            self.registry,
            self.failures,
            self.told.bus,
            app_of={wanted.id: wanted}.get,
            failed=lambda some, ran: self.failed.append((some.id, ran)),
            asked=self.asked.__contains__,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(part.run()) for part in (self.registry, self.statuses)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def acknowledged(self, count: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.mesos.of("acknowledge")) < count:
                await asyncio.sleep(0)
        return [call[0] for call in self.mesos.of("acknowledge")]


def status(instance: Instance, state: str, **fields: Any) -> dict[str, Any]:
    return {"task_id": {"value": instance.task_id}, "agent_id": {"value": instance.agent_id}, "state": state, **fields}


def test_each_new_status_is_acknowledged_once_and_answers_are_not() -> None:
    async def run() -> None:
        one = make_instance()
        parts = Parts(one)
        async with parts.running():
            parts.statuses.handle(status(one, "TASK_STAGING", uuid="u1"))
            parts.statuses.handle(status(one, "TASK_RUNNING", uuid="u2"))
            parts.statuses.handle(status(one, "TASK_RUNNING"))
            parts.statuses.handle(status(one, "TASK_RUNNING", uuid="u3"))
            assert await parts.acknowledged(3) == ["u1", "u2", "u3"]
            assert parts.store.instances[one.id].condition is Condition.RUNNING

    asyncio.run(run())


def test_one_event_for_one_change() -> None:
    one = make_instance()
    parts = Parts(one)
    for _ in range(3):
        parts.statuses.handle(status(one, "TASK_RUNNING", message="up"))
    parts.statuses.handle(status(one, "TASK_RUNNING", healthy=True, uuid="u"))
    assert parts.told.types() == [
        "instance_changed_event",
        "status_update_event",
        "instance_health_changed_event",
        "health_status_changed_event",
        "status_update_event",
    ]
    assert parts.told.of("status_update_event")[0] == {
        "slaveId": "agent-1",
        "taskId": one.task_id,
        "taskStatus": "TASK_RUNNING",
        "message": "up",
        "appId": "/web",
        "host": "a-1",
        "ipAddresses": [],
        "ports": [31000],
        "version": one.version,
    }


def test_a_failure_is_kept_and_delays_the_next_launch() -> None:
    async def run() -> None:
        one = make_instance(condition=Condition.RUNNING)
        parts = Parts(one)
        async with parts.running():
            parts.statuses.handle(status(one, "TASK_FAILED", message="exit 1", uuid="u"))
            await parts.acknowledged(1)
            kept = parts.failures.of("/web")
            assert kept is not None
            assert {k: v for k, v in kept.items() if k != "timestamp"} == {
                "appId": "/web",
                "host": "a-1",
                "message": "exit 1",
                "slaveId": "agent-1",
                "state": "TASK_FAILED",
                "taskId": one.task_id,
                "version": one.version,
            }
            assert parts.store.failures == {"/web": kept}, "stored before it is acknowledged"
            assert parts.failed[0][0] == "/web"
            assert parts.failed[0][1] > 60, "it ran since January"
            assert parts.registry.get(one.id) is None

    asyncio.run(run())


def test_a_finished_task_delays_but_is_no_failure() -> None:
    one = make_instance(condition=Condition.STAGING)
    parts = Parts(one)
    parts.statuses.handle(status(one, "TASK_FINISHED"))
    assert parts.failures.of("/web") is None
    assert parts.failed == [("/web", 0.0)]


def test_the_failure_of_an_older_configuration_delays_nothing() -> None:
    now = "2026-02-01T00:00:00.000Z"
    one = make_instance(condition=Condition.RUNNING)
    parts = Parts(one, app=make_app(version=now, last_config_change_at=now))
    parts.statuses.handle(status(one, "TASK_FAILED"))
    assert parts.failed == []
    assert parts.failures.of("/web") is not None


def test_an_unhealthy_task_that_its_agent_ends() -> None:
    one = make_instance(condition=Condition.RUNNING, healthy=False)
    parts = Parts(one)
    parts.statuses.handle(status(one, "TASK_KILLING"))
    assert len(parts.failed) == 1, "its replacement waits"
    assert parts.failures.of("/web") is None
    parts.statuses.handle(status(one, "TASK_KILLED", healthy=False, message="3 times"))
    assert len(parts.failed) == 1
    failure = parts.failures.of("/web")
    assert failure is not None
    assert failure["message"] == "3 times"
    (event,) = parts.told.of("unhealthy_instance_kill_event")
    assert event["reason"] == "3 times"


def test_an_end_that_was_asked_for_is_no_failure() -> None:
    one = make_instance(condition=Condition.KILLING, healthy=False)
    parts = Parts(one)
    parts.asked.add(one.id)
    parts.statuses.handle(status(one, "TASK_FAILED", healthy=False))
    assert (parts.failed, parts.failures.of("/web")) == ([], None)
    assert parts.told.of("unhealthy_instance_kill_event") == []


UNKNOWN = {  # state, kills, told as ended
    "runs": ("TASK_RUNNING", True, False),
    "starts": ("TASK_STAGING", True, False),
    "is being killed": ("TASK_KILLING", False, False),
    "out of reach": ("TASK_UNREACHABLE", False, False),
    "ended": ("TASK_FAILED", False, True),
}


@pytest.mark.parametrize(("state", "kills", "ended"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_tasks(state: str, kills: bool, ended: bool) -> None:
    async def run() -> None:
        parts, stranger = Parts(), make_instance("/team/web")
        async with parts.running():
            parts.statuses.handle(status(stranger, state, uuid="u"))
            await parts.acknowledged(1)
            await asyncio.sleep(0.01)
            assert parts.mesos.of("kill") == ([(stranger.task_id, "agent-1", None)] if kills else [])
            told = parts.told.of("unknown_instance_terminated_event")
            assert bool(told) == ended
            if ended:
                wanted = {"instanceId": stranger.id, "runSpecId": "/team/web", "condition": "Failed"}
                assert told == [wanted]

    asyncio.run(run())


def test_the_answer_for_a_task_that_is_over_is_no_event() -> None:
    parts, stranger = Parts(), make_instance()
    parts.statuses.handle(status(stranger, "TASK_GONE"))
    assert parts.told.events == []


def test_a_state_of_another_mesos_is_logged_and_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        one = make_instance()
        parts = Parts(one)
        async with parts.running():
            parts.statuses.handle(status(one, "TASK_PAUSED", uuid="u"))
            await parts.acknowledged(1)
            assert "TASK_PAUSED" in caplog.text
            assert one.condition is Condition.PROVISIONED

    asyncio.run(run())


def test_a_failed_acknowledgement_stops_nothing() -> None:
    async def run() -> None:
        one = make_instance()
        parts = Parts(one)
        async with parts.running():
            parts.mesos.refuse = MesosError("ACKNOWLEDGE: 503", refused=True)
            parts.statuses.handle(status(one, "TASK_STAGING", uuid="u1"))
            await asyncio.sleep(0.01)
            parts.mesos.refuse = None
            parts.statuses.handle(status(one, "TASK_RUNNING", uuid="u2"))
            assert await parts.acknowledged(1) == ["u2"]

    asyncio.run(run())
