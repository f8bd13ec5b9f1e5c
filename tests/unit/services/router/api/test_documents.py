"""Bamboo's documents."""

from __future__ import annotations

from services.router.api import documents
from services.router.marathon import view
from services.router.rules.codec import Rule


def read(**more):
    return view.app(view.trimmed({"id": "/team/app", "tasks": [], **more}))


def test_an_application():
    app = read(
        healthChecks=[{"protocol": "TCP"}, {"protocol": "HTTP", "path": "/h", "portIndex": 1}],
        readinessChecks=[{"path": "/r"}],
        ports=[10001],
        labels={"a": "b"},
    )
    assert documents.app(app) == {
        "Id": "/team/app",
        "MesosDnsId": "app-team",
        "EscapedId": "::team::app",
        "SplitId": ["team", "app"],
        "HealthCheckPath": "/h",
        "HealthCheckProtocol": "HTTP",
        "HealthChecks": [
            {"Protocol": "TCP", "Path": "", "PortIndex": 0},
            {"Protocol": "HTTP", "Path": "/h", "PortIndex": 1},
        ],
        "ReadinessCheckPath": "/r",
        "Tasks": [],
        "ServicePort": 10001,
        "ServicePorts": [10001],
        "Env": {},
        "Labels": {"a": "b"},
        "ipAddress": None,
    }


def test_tasks_without_host_or_port_are_left_out():
    tasks = [
        {"id": "b", "host": "h", "ports": [1]},
        {"id": "a", "host": "h", "ports": [2]},
        {"id": "c", "ports": [1]},
        {"id": "d", "host": "h"},
    ]
    assert [task["Id"] for task in documents.app(read(tasks=tasks))["Tasks"]] == ["a", "b"]


def test_state():
    rule = Rule("/a", {"Acl": "x", "k": "v"})
    assert documents.state(None, {"/a": rule}) == {
        "Apps": None,
        "Services": {"/a": {"Id": "/a", "Acl": "x", "Config": {"Acl": "x", "k": "v"}}},
    }
    two = {"/b": read(), "/a": read()}
    assert len(documents.state(two, {})["Apps"]) == 2
