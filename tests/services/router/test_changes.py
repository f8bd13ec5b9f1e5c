"""Changes under load: no request is lost, by slots, by reloads, by draining."""

from __future__ import annotations

import threading
import time

import pytest
from router_lab import app, free_port, load, task, until, vhost

pytestmark = pytest.mark.services


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_client_sees_an_error_during_slot_changes_and_reloads(make_edge, marathon, tasks, method):
    edge = make_edge(reload_seconds=0.3).start()
    ports = {f"z.{number}": tasks.start(f"z.{number}") for number in range(6)}
    members = [task(name, port) for name, port in ports.items()]
    marathon.put(vhost("/z", "z.example", members[:3]))
    edge.serves("z.example")
    edge.settled()
    with load(edge.http, "z.example", method=method) as seen:
        for number in range(30):
            first = number % 6
            marathon.put(vhost("/z", "z.example", [members[(first + offset) % 6] for offset in range(3)]))
            if number % 6 == 5:  # another port is another frontend: only a reload brings it
                labels = {"HAPROXY_0_MODE": "tcp", "HAPROXY_0_PORT": str(free_port())}
                marathon.put(app(f"/tcp-{number}", [members[0]], labels=labels))
            until(lambda: seen.requests > 0, "no load")
            time.sleep(0.1)  # the pace of the changes
        health = edge.settled()
    assert seen.failures == []
    assert seen.requests > 300
    assert health["reloads"] >= 3
    assert health["failed_reloads"] == 0


def test_a_rolling_update_with_tasks_that_stop_after_their_drain(make_edge, marathon, tasks):
    """As the scheduler does it: the new one is healthy, the old one is announced, drained, and then it ends."""
    edge = make_edge().start()
    running = {f"v1.{number}": tasks.start(f"v1.{number}") for number in range(3)}

    def tell(killing: str = "") -> None:
        states = {name: "TASK_KILLING" if name == killing else "TASK_RUNNING" for name in running}
        marathon.put(
            vhost("/roll", "roll.example", [task(name, running[name], state=states[name]) for name in running])
        )

    tell()
    edge.serves("roll.example")
    edge.settled()
    with load(edge.http, "roll.example") as seen:
        for number in range(3):
            running[f"v2.{number}"] = tasks.start(f"v2.{number}")
            tell()
            old = f"v1.{number}"
            tell(killing=old)
            until(lambda name=old: name not in str(edge.ask("/api/routes").json()), "the old task is still routed")
            edge.settled()
            tasks.stop(running.pop(old))
            tell()
    assert seen.failures == []
    assert seen.requests > 100
    edge.served_by("roll.example", {f"v2.{number}" for number in range(3)})


def test_requests_under_way_are_finished(edge, marathon, tasks):
    old, new = task("old", tasks.start("old")), task("new", tasks.start("new"))
    marathon.put(vhost("/d", "d.example", [old]))
    edge.serves("d.example")
    answers: list[str | None] = []
    client = threading.Thread(target=lambda: answers.append(edge.name("d.example", "/slow")))
    client.start()
    time.sleep(0.1)  # the request is with the old task now
    marathon.put(vhost("/d", "d.example", [{**old, "state": "TASK_KILLING"}, new]))
    edge.served_by("d.example", {"new"}, requests=4)
    assert edge.health()["draining"] == 1
    client.join(5)
    assert answers == ["old"]
    edge.settled()


def test_more_instances_than_slots(edge, marathon, tasks):
    names = {f"m.{number}" for number in range(12)}
    members = [task(name, tasks.start(name)) for name in sorted(names)]
    marathon.put(vhost("/m", "m.example", members[:1]))
    edge.serves("m.example")
    before = edge.settled()["reloads"]
    with load(edge.http, "m.example", clients=2) as seen:
        marathon.put(vhost("/m", "m.example", members))
        edge.served_by("m.example", names)
    assert seen.failures == []
    assert edge.settled()["reloads"] == before + 1


def test_many_applications_at_once_are_few_reloads(edge, marathon, tasks):
    port = tasks.start("shared")
    edge.settled()
    before = edge.health()["reloads"]
    for number in range(60):
        marathon.put(vhost(f"/n-{number}", f"n-{number}.example", [task(f"n-{number}.1", port)]))
    for number in range(60):
        edge.serves(f"n-{number}.example")
    assert edge.settled()["reloads"] - before <= 3
