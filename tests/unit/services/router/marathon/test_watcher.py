"""What the view does with answers, events and silence."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.router.marathon.client import MarathonError
from services.router.marathon.sse import Event
from services.router.marathon.watcher import Watcher


class Client:
    """Answers from `documents`; streams what is put into `stream`."""

    def __init__(self):
        self.documents = {}
        self.calls = []
        self.times = []
        self.away = False
        self.stream = asyncio.Queue()

    async def apps(self):
        self._note("all")
        return list(self.documents.values())

    async def app(self, identity):
        self._note(identity)
        return self.documents.get(identity)

    def _note(self, what):
        self.calls.append(what)
        self.times.append(time.monotonic())
        if self.away:
            raise MarathonError("away")

    async def events(self):
        yield Event("connected", "")
        while True:
            yield await self.stream.get()


def document(identity, **more):
    return {"id": identity, "tasks": [], **more}


def run(scenario, **more):
    async def play():
        client = Client()
        changes = []
        watcher = Watcher(client, changed=lambda: changes.append(1), resync=60, coalesce=0.05, **more)
        task = asyncio.ensure_future(watcher.run())
        try:
            await scenario(client, watcher, changes)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(play())


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def test_events_of_one_application_ask_for_it_alone():
    async def scenario(client, watcher, changes):
        client.documents = {"/a": document("/a"), "/b": document("/b")}
        await until(lambda: watcher.fresh and watcher.streaming and len(watcher.apps) == 2)
        await asyncio.sleep(0.2)
        client.calls.clear()
        client.documents["/a"] = document("/a", labels={"x": "y"})
        client.stream.put_nowait(Event("status_update_event", '{"appId": "/a"}'))
        await until(lambda: watcher.apps["/a"].labels)
        del client.documents["/b"]
        client.stream.put_nowait(Event("instance_changed_event", '{"runSpecId": "/b"}'))
        await until(lambda: "/b" not in watcher.apps)
        assert client.calls == ["/a", "/b"]

    run(scenario)


@pytest.mark.parametrize(
    ("event", "reads"),
    [
        (Event("deployment_success", "{}"), ["all"]),
        (Event("status_update_event", "no json"), ["all"]),
        (Event("status_update_event", "[]"), ["all"]),
        (Event("event_stream_attached", "{}"), ["all"]),
        (Event("framework_message_event", "{}"), []),
    ],
)
def test_other_events(event, reads):
    async def scenario(client, watcher, changes):
        await until(lambda: watcher.fresh and watcher.streaming)
        await asyncio.sleep(0.2)
        client.calls.clear()
        client.stream.put_nowait(event)
        await asyncio.sleep(0.2)
        assert client.calls == reads

    run(scenario)


def test_many_events_are_few_readings_and_the_first_is_at_once():
    async def scenario(client, watcher, changes):
        client.documents = {"/a": document("/a")}
        await until(lambda: watcher.fresh and watcher.streaming)
        await asyncio.sleep(0.2)
        client.times.clear()
        started = time.monotonic()
        client.stream.put_nowait(Event("status_update_event", '{"appId": "/a"}'))
        for _ in range(20):  # turns of the loop, in which no timer runs out
            await asyncio.sleep(0)
        assert len(client.times) == 1
        for _ in range(50):
            client.stream.put_nowait(Event("status_update_event", '{"appId": "/a"}'))
            await asyncio.sleep(0.004)
        await asyncio.sleep(0.1)
        assert 2 <= len(client.times) <= 2 + (time.monotonic() - started) / 0.05
        assert all(later - earlier > 0.04 for earlier, later in zip(client.times, client.times[1:], strict=False))

    run(scenario)


def test_the_last_view_stays_while_marathon_is_away():
    async def scenario(client, watcher, changes):
        client.documents = {"/a": document("/a")}
        await until(lambda: "/a" in watcher.apps)
        read_at = watcher.read_at
        client.away = True
        client.stream.put_nowait(Event("deployment_info", "{}"))
        await until(lambda: watcher.last_error)
        assert ("/a" in watcher.apps, watcher.read_at >= read_at) == (True, True)
        client.away = False
        await until(lambda: watcher.last_error is None)

    run(scenario)


def test_a_document_that_is_not_understood_keeps_the_last_one_of_its_application():
    async def scenario(client, watcher, changes):
        client.documents = {"/a": document("/a", labels={"x": "y"}), "/b": document("/b")}
        await until(lambda: len(watcher.apps) == 2)
        client.documents["/a"] = document("/a", healthChecks=[1])
        client.documents["/c"] = document("/c")
        watcher.notice()
        await until(lambda: watcher.problems)
        assert set(watcher.apps) == {"/a", "/b", "/c"}
        assert watcher.apps["/a"].labels == {"x": "y"}

    run(scenario)


def test_what_was_known_is_there_before_marathon_answers():
    async def scenario(client, watcher, changes):
        assert (set(watcher.apps), watcher.fresh, watcher.read_at) == ({"/k"}, False, 5.0)
        client.away = True

    run(scenario, known={"/k": {**document("/k"), "networks": []}}, known_at=5.0)


def test_it_ends_when_it_is_cancelled_as_something_happens():
    """`asyncio.wait_for` of Python 3.11 loses a cancellation that comes together with what it waits for."""

    async def play():
        for _ in range(50):
            watcher = Watcher(Client(), changed=lambda: None, resync=60, coalesce=0)
            task = asyncio.ensure_future(watcher.run())
            await until(lambda watcher=watcher: watcher.fresh and watcher.streaming)
            await asyncio.sleep(0.005)
            watcher.notice()
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=2)
            assert done

    asyncio.run(play())
