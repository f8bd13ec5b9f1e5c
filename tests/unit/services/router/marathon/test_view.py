"""Applications from Marathon's documents, in both network dialects; who serves and who does not."""

from __future__ import annotations

import pytest

from services.router.marathon import view

OLD, NEW = "2026-01-01T00:00:00.000Z", "2026-02-02T00:00:00.000Z"


def read(document):
    return view.app(view.trimmed(document))


def document(*tasks, **more):
    return {"id": "/a", "version": NEW, "tasks": list(tasks), **more}


def task(**more):
    return {"id": "t", "host": "h", "ports": [1, 2], "state": "TASK_RUNNING", "version": NEW, **more}


CHECKS = {"healthChecks": [{"protocol": "HTTP", "path": "/h"}, {"protocol": "TCP"}]}
READINESS = {"readinessChecks": [{"path": "/r"}], "deployments": [{"id": "d"}]}


@pytest.mark.parametrize(
    ("app", "of_task", "served"),
    [
        ({}, {}, True),
        ({}, {"state": "TASK_KILLING"}, False),
        ({}, {"state": "TASK_STAGING"}, False),
        ({}, {"state": "TASK_UNREACHABLE"}, False),
        (CHECKS, {"healthCheckResults": [{"alive": True}, {"alive": True}]}, True),
        (CHECKS, {"healthCheckResults": [{"alive": True}]}, False),
        (CHECKS, {"healthCheckResults": [{"alive": True}, None]}, False),
        (CHECKS, {"healthCheckResults": [{"alive": True}, {"alive": False}]}, False),
        (CHECKS, {}, False),
        # An update that adds checks must not take the running tasks out.
        (CHECKS, {"version": OLD}, True),
        (CHECKS, {"version": OLD, "healthCheckResults": [{"alive": False}]}, False),
        # Scaling makes a new version of the application; its tasks are not old by that.
        ({**CHECKS, "versionInfo": {"lastConfigChangeAt": OLD}}, {"version": OLD}, False),
        (READINESS, {}, False),
        ({**READINESS, "readinessCheckResults": [{"taskId": "t", "ready": True}]}, {}, True),
        ({**READINESS, "readinessCheckResults": [{"taskId": "t", "ready": False}]}, {}, False),
        ({**READINESS, "deployments": []}, {}, True),
        (READINESS, {"version": OLD}, True),
    ],
)
def test_who_is_served(app, of_task, served):
    assert read(document(task(**of_task), **app)).tasks[0].served is served


HOST_PORTS = [("h", 1), ("h", 2), None]
MAPPINGS = [{"containerPort": 80, "hostPort": 0}, {"containerPort": 81}]


@pytest.mark.parametrize(
    ("more", "of_task", "endpoints"),
    [
        ({}, {}, HOST_PORTS),
        ({"networks": [{"mode": "host"}], "portDefinitions": [{"port": 10}]}, {}, HOST_PORTS),
        (
            {"networks": [{"mode": "container/bridge"}], "container": {"portMappings": MAPPINGS}},
            {},
            HOST_PORTS,
        ),
        ({"container": {"docker": {"network": "BRIDGE", "portMappings": MAPPINGS}}}, {}, HOST_PORTS),
        (
            {"networks": [{"mode": "container", "name": "n"}], "container": {"portMappings": MAPPINGS}},
            {"ports": [5], "ipAddresses": [{"ipAddress": "9.0.0.1"}]},
            [("h", 5), ("9.0.0.1", 81), None],
        ),
        (
            {"container": {"docker": {"network": "USER", "portMappings": MAPPINGS}}},
            {"ports": [5], "ipAddresses": [{"ipAddress": "9.0.0.1"}]},
            [("h", 5), ("9.0.0.1", 81), None],
        ),
        (
            {"ipAddress": {"discovery": {"ports": [{"number": 99}]}}},
            {"ports": [], "ipAddresses": [{"ipAddress": "9.0.0.2"}]},
            [("9.0.0.2", 99), None, None],
        ),
        ({"ipAddress": {"discovery": {"ports": [{"number": 99}]}}}, {"ports": []}, [None, None, None]),
        ({}, {"host": None}, [None, None, None]),
    ],
)
def test_endpoints(more, of_task, endpoints):
    app = read(document(task(**of_task), **more))
    assert [app.endpoint(app.tasks[0], index) for index in range(3)] == endpoints


@pytest.mark.parametrize(
    ("more", "ports"),
    [
        ({"ports": [10001, 10002]}, (10001, 10002)),
        ({"portDefinitions": [{"port": 10003}]}, (10003,)),
        ({"container": {"portMappings": [{"servicePort": 10004}]}}, (10004,)),
        ({"container": {"docker": {"portMappings": [{"servicePort": 10005}]}}}, (10005,)),
        ({}, ()),
    ],
)
def test_service_ports(more, ports):
    assert read(document(**more)).service_ports == ports


def test_environment_that_refers_to_secrets_is_left_out():
    assert read(document(env={"A": "b", "S": {"secret": "x"}})).env == {"A": "b"}


@pytest.mark.parametrize("found", [None, [], {}, {"id": 1}, {"id": ""}])
def test_no_application(found):
    with pytest.raises(view.AppError):
        view.trimmed(found)


@pytest.mark.parametrize(
    "more",
    [
        {"healthChecks": [1]},
        {"tasks": [{"host": "h"}]},
        {"tasks": [{"id": "t", "ports": ["x"]}]},
        {"env": [1]},
        {"readinessCheckResults": [{"ready": True}]},
    ],
)
def test_an_application_that_is_not_understood(more):
    with pytest.raises(view.AppError, match="/a: not understood"):
        read({**document(), **more})
