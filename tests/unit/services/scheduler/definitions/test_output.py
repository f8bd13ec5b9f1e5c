from __future__ import annotations

from services.scheduler.definitions import output, parse
from services.scheduler.definitions.group import Group

V = "2026-01-01T00:00:00.000Z"

SHOWN = {
    "id": "/team/web",
    "acceptedResourceRoles": ["*"],
    "backoffFactor": 1.15,
    "backoffSeconds": 1,
    "cmd": "serve",
    "constraints": [["hostname", "UNIQUE"], ["rack", "LIKE", "r.*"]],
    "container": {
        "type": "DOCKER",
        "docker": {
            "image": "nginx:1.25",
            "forcePullImage": False,
            "privileged": False,
            "parameters": [{"key": "hostname", "value": "a"}],
        },
        "portMappings": [
            {
                "containerPort": 80,
                "hostPort": 0,
                "labels": {},
                "name": "http",
                "protocol": "tcp",
                "servicePort": 10001,
            }
        ],
        "volumes": [{"containerPath": "/a", "hostPath": "/b", "mode": "RO"}],
    },
    "cpus": 0.5,
    "dependencies": ["/team/db"],
    "disk": 0,
    "env": {"A": "b"},
    "executor": "",
    "fetch": [{"uri": "http://files/a", "extract": True, "executable": False, "cache": False}],
    "gpus": 0,
    "healthChecks": [
        {
            "protocol": "MESOS_HTTP",
            "path": "/",
            "portIndex": 0,
            "delaySeconds": 15,
            "gracePeriodSeconds": 300,
            "ignoreHttp1xx": False,
            "intervalSeconds": 60,
            "ipProtocol": "IPv4",
            "maxConsecutiveFailures": 3,
            "timeoutSeconds": 20,
        }
    ],
    "instances": 2,
    "killSelection": "YOUNGEST_FIRST",
    "labels": {"tier": "front"},
    "maxLaunchDelaySeconds": 300,
    "mem": 64,
    "networks": [{"mode": "container/bridge"}],
    "readinessChecks": [
        {
            "name": "readinessCheck",
            "protocol": "HTTP",
            "path": "/",
            "portName": "http",
            "intervalSeconds": 30,
            "timeoutSeconds": 10,
            "httpStatusCodesForReady": [200],
            "preserveLastResponse": False,
        }
    ],
    "requirePorts": False,
    "resourceLimits": {"cpus": "unlimited", "mem": 128},
    "role": "*",
    "taskKillGracePeriodSeconds": 10,
    "tty": True,
    "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
    "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 0.5},
    "user": "www",
    "version": V,
    "versionInfo": {"lastScalingAt": V, "lastConfigChangeAt": V},
}


def test_an_application_is_shown_as_the_api_names_it() -> None:
    shown = output.app(parse.app(SHOWN, version=V))
    assert shown == SHOWN
    assert all(type(shown[name]) is int for name in ("disk", "mem", "backoffSeconds", "taskKillGracePeriodSeconds"))


def test_what_is_not_there_is_not_shown() -> None:
    shown = output.app(parse.app({"id": "/web", "cmd": "serve"}, version=V))
    assert not {"args", "user", "container", "check", "tty", "resourceLimits", "acceptedResourceRoles"} & shown.keys()
    assert shown["portDefinitions"] == [{"port": 0, "protocol": "tcp", "labels": {}, "name": "default"}]
    assert (shown["env"], shown["labels"], shown["healthChecks"]) == ({}, {}, [])


def test_a_group_is_shown_with_what_is_asked_for() -> None:
    app = parse.app({"id": "/team/web", "cmd": "serve"}, version=V)
    root = Group().with_app(app)
    inner = {"id": "/team", "dependencies": [], "version": V, "pods": []}
    outer = {**inner, "id": "/"}
    whole = {**outer, "apps": [], "groups": [{**inner, "apps": [output.app(app)], "groups": []}]}
    assert output.group(root) == whole
    assert output.group(root, apps=False, groups=False) == outer
    assert output.group(root, groups=False) == {**outer, "apps": []}
    assert output.group(root, apps=False) == {**outer, "groups": [{**inner, "groups": []}]}
    named = output.group(root, app_document=lambda app: {"id": app.id, "tasks": []})
    assert named["groups"][0]["apps"] == [{"id": "/team/web", "tasks": []}]
    assert output.group(root, shows=lambda app: app.id != "/team/web")["groups"][0]["apps"] == []


def test_a_role_that_is_enforced_is_shown() -> None:
    assert output.group(Group("/team", enforce_role=True))["enforceRole"] is True
