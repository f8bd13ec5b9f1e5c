"""What each state of Mesos does to each instance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.instances.updates import condition_of, effect

C = Condition
MakeInstance = Callable[..., Instance]

STATES = {
    "TASK_STAGING": C.STAGING,
    "TASK_STARTING": C.STARTING,
    "TASK_RUNNING": C.RUNNING,
    "TASK_KILLING": C.KILLING,
    "TASK_FINISHED": C.FINISHED,
    "TASK_FAILED": C.FAILED,
    "TASK_KILLED": C.KILLED,
    "TASK_ERROR": C.ERROR,
    "TASK_DROPPED": C.DROPPED,
    "TASK_GONE": C.GONE,
    "TASK_GONE_BY_OPERATOR": C.GONE,
    "TASK_UNREACHABLE": C.UNREACHABLE,
    "TASK_UNKNOWN": C.UNKNOWN,
    "TASK_LOST": C.GONE,
}


@pytest.mark.parametrize(("state", "condition"), STATES.items(), ids=STATES)
def test_conditions(state: str, condition: Condition) -> None:
    assert condition_of({"state": state}) is condition


@pytest.mark.parametrize("reason", ["REASON_RECONCILIATION", "REASON_AGENT_REMOVED", "REASON_SLAVE_DISCONNECTED"])
def test_lost_tasks_that_may_come_back(reason: str) -> None:
    assert condition_of({"state": "TASK_LOST", "reason": reason}) is C.UNREACHABLE


def test_a_state_of_another_mesos() -> None:
    with pytest.raises(KeyError):
        condition_of({"state": "TASK_PAUSED"})


STEPS = {  # before, state, after, over, delays
    "first word": (C.PROVISIONED, "TASK_STAGING", C.STAGING, False, False),
    "starts": (C.STAGING, "TASK_STARTING", C.STARTING, False, False),
    "runs at once": (C.PROVISIONED, "TASK_RUNNING", C.RUNNING, False, False),
    "late news": (C.RUNNING, "TASK_STAGING", C.RUNNING, False, False),
    "told again": (C.RUNNING, "TASK_RUNNING", C.RUNNING, False, False),
    "killed by somebody else": (C.RUNNING, "TASK_KILLING", C.KILLING, False, False),
    "to end, still runs": (C.KILLING, "TASK_RUNNING", C.KILLING, False, False),
    "to end, cannot be reached": (C.KILLING, "TASK_UNREACHABLE", C.KILLING, True, False),
    "to end, ended": (C.KILLING, "TASK_KILLED", C.KILLED, True, False),
    "to end, ended badly": (C.KILLING, "TASK_FAILED", C.FAILED, True, False),
    "to end, unknown": (C.KILLING, "TASK_GONE", C.GONE, True, False),
    "failed": (C.RUNNING, "TASK_FAILED", C.FAILED, True, True),
    "finished": (C.RUNNING, "TASK_FINISHED", C.FINISHED, True, True),
    "killed by hand": (C.RUNNING, "TASK_KILLED", C.KILLED, True, False),
    "not launched": (C.PROVISIONED, "TASK_DROPPED", C.DROPPED, True, True),
    "refused": (C.PROVISIONED, "TASK_ERROR", C.ERROR, True, True),
    "agent removed by the operator": (C.RUNNING, "TASK_GONE_BY_OPERATOR", C.GONE, True, True),
    "agent unknown to the master": (C.RUNNING, "TASK_UNKNOWN", C.UNKNOWN, True, True),
    "out of reach": (C.RUNNING, "TASK_UNREACHABLE", C.UNREACHABLE, False, False),
    "out of reach while starting": (C.STAGING, "TASK_UNREACHABLE", C.UNREACHABLE, False, False),
    "still out of reach": (C.UNREACHABLE, "TASK_UNREACHABLE", C.UNREACHABLE, False, False),
    "replaced, still out of reach": (C.UNREACHABLE_INACTIVE, "TASK_UNREACHABLE", C.UNREACHABLE_INACTIVE, False, False),
    "back": (C.UNREACHABLE, "TASK_RUNNING", C.RUNNING, False, False),
    "replaced and back": (C.UNREACHABLE_INACTIVE, "TASK_RUNNING", C.RUNNING, False, False),
    "back and starting": (C.UNREACHABLE, "TASK_STARTING", C.STARTING, False, False),
}


@pytest.mark.parametrize(("before", "state", "after", "over", "delays"), STEPS.values(), ids=STEPS)
def test_steps(
    instance: MakeInstance, before: Condition, state: str, after: Condition, over: bool, delays: bool
) -> None:
    found = effect(instance(condition=before), {"state": state, "message": "because"}, asked=before is C.KILLING)
    assert found.changes.get("condition", before) is after
    assert (found.over, found.delays) == (over, delays)
    assert found.failed == (delays and state != "TASK_FINISHED")


def test_a_status_that_tells_nothing_new_changes_nothing(instance: MakeInstance) -> None:
    some = instance(condition=C.RUNNING, ip_addresses=("10.0.0.1",), container_id="c", healthy=True)
    container = {
        "container_id": {"value": "c"},
        "network_infos": [{"ip_addresses": [{"ip_address": "10.0.0.1", "protocol": "IPv4"}]}],
    }
    status = {"state": "TASK_RUNNING", "healthy": True, "container_status": container, "timestamp": 1e9}
    assert effect(some, status).changes == {}


def test_what_a_running_task_tells(instance: MakeInstance) -> None:
    container = {
        "container_id": {"value": "c"},
        "network_infos": [{"ip_addresses": [{"ip_address": "10.0.0.1"}, {"ip_address": "fd00::1"}, {}]}, {}],
    }
    status = {"state": "TASK_RUNNING", "container_status": container, "timestamp": 1_800_000_000.5, "uuid": "u"}
    assert effect(instance(condition=C.STARTING), status).changes == {
        "condition": C.RUNNING,
        "mesos_state": "TASK_RUNNING",
        "started_at": "2027-01-15T08:00:00.500Z",
        "ip_addresses": ("10.0.0.1", "fd00::1"),
        "container_id": "c",
    }


HEALTH = {  # healthy before, failures before, status, changes
    "first success": (None, 0, {"healthy": True, "uuid": "u"}, {"healthy": True}),
    "first failure": (None, 0, {"healthy": False, "uuid": "u"}, {"healthy": False, "consecutive_failures": 1}),
    "one more failure": (False, 1, {"healthy": False, "uuid": "u"}, {"consecutive_failures": 2}),
    "told again, no failure more": (False, 1, {"healthy": False}, {}),
    "well again": (False, 2, {"healthy": True, "uuid": "u"}, {"healthy": True, "consecutive_failures": 0}),
    "says nothing": (True, 0, {"uuid": "u"}, {}),
}


@pytest.mark.parametrize(("healthy", "failures", "status", "changes"), HEALTH.values(), ids=HEALTH)
def test_health(
    instance: MakeInstance, healthy: bool | None, failures: int, status: dict[str, Any], changes: dict[str, Any]
) -> None:
    some = instance(condition=C.RUNNING, healthy=healthy, consecutive_failures=failures)
    assert effect(some, {"state": "TASK_RUNNING", **status}).changes == changes


SICK = {  # before, state, asked, failed, delays, unhealthy
    "ended by its agent": (C.RUNNING, "TASK_KILLED", False, True, True, True),
    "its agent begins to end it": (C.RUNNING, "TASK_KILLING", False, False, True, False),
    "its agent has ended it": (C.KILLING, "TASK_KILLED", False, True, False, True),
    "we end it": (C.KILLING, "TASK_KILLED", True, False, False, False),
}


@pytest.mark.parametrize(("before", "state", "asked", "failed", "delays", "unhealthy"), SICK.values(), ids=SICK)
def test_sick_tasks(
    instance: MakeInstance, before: Condition, state: str, asked: bool, failed: bool, delays: bool, unhealthy: bool
) -> None:
    found = effect(instance(condition=before), {"state": state, "healthy": False}, asked=asked)
    assert (found.failed, found.delays, found.unhealthy) == (failed, delays, unhealthy)


LATE = {  # before, state told, state shown
    "drains and still runs": (C.KILLING, "TASK_KILLING", "TASK_RUNNING"),
    "runs, and an older word comes": (C.RUNNING, "TASK_RUNNING", "TASK_STAGING"),
}


@pytest.mark.parametrize(("before", "shown", "told"), LATE.values(), ids=LATE)
def test_late_news_do_not_change_the_state_that_is_shown(
    instance: MakeInstance, before: Condition, shown: str, told: str
) -> None:
    changes = effect(instance(condition=before, mesos_state=shown), {"state": told}, asked=True).changes
    assert not {"condition", "mesos_state"} & changes.keys()


def test_health_is_kept_while_nobody_can_reach_it(instance: MakeInstance) -> None:
    """Its agent tells health only when it changes."""
    some = instance(condition=C.RUNNING, healthy=True)
    assert "healthy" not in effect(some, {"state": "TASK_UNREACHABLE"}).changes
