"""Status updates: their order, what a subscription carries, what happens when the agent is away."""

import io
import queue
from collections.abc import Callable
from typing import Any

import pytest
from utopia_mesos.agent_api import RefusedError, read_records
from utopia_mesos.updates import Updates

TASK = {"task_id": {"value": "t"}}


class FakeApi:
    """Takes updates, or raises what it is told to raise first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls: queue.Queue[dict[str, Any]] = queue.Queue()

    def call(self, kind: str, content: dict[str, Any]) -> None:
        self.calls.put(content["status"])
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture
def make() -> Callable[..., tuple[FakeApi, Updates]]:
    def make(*errors: Exception) -> tuple[FakeApi, Updates]:
        api = FakeApi(*errors)
        updates = Updates(api)  # type: ignore[arg-type]
        updates.start()
        return api, updates

    return make


def put(updates: Updates, *states: str) -> None:
    for state in states:
        updates.put("executor", TASK["task_id"], state, {})


def test_nothing_is_sent_before_the_subscription_and_then_in_order(make: Any) -> None:
    api, updates = make()
    put(updates, "A", "B")
    assert api.calls.empty()
    updates.subscribed({"unacknowledged_updates": []})
    assert [api.calls.get(timeout=5)["state"] for _ in range(2)] == ["A", "B"]


def test_a_subscription_carries_what_is_not_acknowledged(make: Any) -> None:
    api, updates = make()
    put(updates, "A", "B")
    carried = updates.subscription(TASK)
    assert carried["unacknowledged_tasks"] == [TASK]
    first, second = (update["status"] for update in carried["unacknowledged_updates"])
    updates.subscribed(carried)
    put(updates, "C")
    assert api.calls.get(timeout=5)["state"] == "C", "what the subscription carried is not sent again"
    updates.acknowledged(first["uuid"])
    again = updates.subscription(TASK)
    assert again["unacknowledged_tasks"] == [], "the agent knows the task once it has acknowledged an update"
    assert [update["status"]["state"] for update in again["unacknowledged_updates"]] == ["B", "C"]
    assert second["uuid"] != first["uuid"]


def test_an_update_that_did_not_arrive_is_sent_again(make: Any) -> None:
    api, updates = make(ConnectionRefusedError(), RefusedError("UPDATE", 503, b""))
    put(updates, "A")
    updates.subscribed({"unacknowledged_updates": []})
    sent = [api.calls.get(timeout=5) for _ in range(3)]
    assert {status["uuid"] for status in sent} == {sent[0]["uuid"]}


def test_an_update_that_is_wrong_does_not_block_the_next(make: Any) -> None:
    api, updates = make(RefusedError("UPDATE", 400, b"no such thing"))
    put(updates, "A", "B")
    updates.subscribed({"unacknowledged_updates": []})
    assert [api.calls.get(timeout=5)["state"] for _ in range(2)] == ["A", "B"]


def test_waiting_ends_with_the_last_acknowledgement(make: Any) -> None:
    api, updates = make()
    put(updates, "A")
    updates.subscribed({"unacknowledged_updates": []})
    updates.acknowledged(api.calls.get(timeout=5)["uuid"])
    updates.wait_until_all_acknowledged(None)


def test_records() -> None:
    assert list(read_records(io.BytesIO(b"3\nabc0\n1\nd"))) == [b"abc", b"", b"d"]


def test_a_stream_that_ends_within_a_record() -> None:
    with pytest.raises(ConnectionError):
        list(read_records(io.BytesIO(b"3\nab")))
