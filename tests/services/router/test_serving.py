"""Applications are reached: by host, by path, by default; instances come and go without a reload."""

from __future__ import annotations

import pytest
from router_lab import app, task, vhost

pytestmark = pytest.mark.services


def test_an_application_is_served_and_instances_change_without_a_reload(edge, marathon, tasks):
    ports = {name: tasks.start(name) for name in ("a.1", "a.2", "a.3")}
    marathon.put(vhost("/a", "a.example", [task("a.1", ports["a.1"])]))
    edge.serves("a.example")
    before = edge.health()["reloads"]
    marathon.put(vhost("/a", "a.example", [task(name, port) for name, port in ports.items()]))
    edge.served_by("a.example", {"a.1", "a.2", "a.3"})
    marathon.put(vhost("/a", "a.example", [task("a.3", ports["a.3"])]))
    edge.served_by("a.example", {"a.3"}, requests=5)
    assert edge.health()["reloads"] == before
    assert edge.health()["applied"]


def test_pages_of_the_edge(edge, marathon, tasks):
    marathon.put(vhost("/dead", "dead.example", [task("dead.1", 1, alive=False)]))
    answer = edge.get("nobody.example")
    assert answer.status == 404
    marathon.put(app("/path/only", [task("p.1", tasks.start("p.1"))]))
    edge.serves("nobody.example", "/path/only/x")
    assert edge.get("nobody.example", "/path/onlyx").status == 404
    answer = edge.get("dead.example")
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert "/dead" in answer.text
    assert "Request " in answer.text
