"""The public client of Marathon's API reads what is shown, and what it writes is read as the same."""

from __future__ import annotations

import collections
import collections.abc
from typing import Any

import orjson
import pytest
from marathon.models.app import MarathonApp
from marathon.models.group import MarathonGroup

from services.scheduler.definitions import output, parse
from services.scheduler.definitions.group import Group

V = "2026-01-01T00:00:00.000Z"

APPS: dict[str, dict[str, Any]] = {
    "least": {"cmd": "serve"},
    "Docker": {
        "container": {
            "type": "DOCKER",
            "docker": {"image": "a", "parameters": [{"key": "hostname", "value": "b"}]},
            "portMappings": [{"containerPort": 80, "servicePort": 10001, "name": "http", "labels": {"VIP_0": "/a:80"}}],
            "volumes": [{"containerPath": "/a", "hostPath": "/b", "mode": "RO"}],
        },
        "networks": [{"mode": "container/bridge"}],
        "healthChecks": [{"protocol": "MESOS_HTTP", "path": "/health"}],
        "constraints": [["hostname", "UNIQUE"], ["rack", "LIKE", "r.*"]],
        "fetch": [{"uri": "http://files/a"}],
        "env": {"A": "b"},
        "labels": {"c": "d"},
    },
    "a network of the operator": {"cmd": "serve", "networks": [{"name": "dev"}]},
    "strategies": {
        "cmd": "serve",
        "unreachableStrategy": "disabled",
        "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.25},
        "acceptedResourceRoles": ["*"],
        "killSelection": "OLDEST_FIRST",
        "taskKillGracePeriodSeconds": 5,
    },
    "a command as health check": {
        "cmd": "serve",
        "healthChecks": [{"protocol": "COMMAND", "command": {"value": "true"}}],
        "readinessChecks": [{"portName": "default"}],
    },
}


@pytest.fixture(autouse=True)
def _names_of_older_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    # thefactory/marathon-python uses a name that Python 3.10 took away.
    monkeypatch.setattr(collections, "Iterable", collections.abc.Iterable, raising=False)


@pytest.mark.parametrize("document", APPS.values(), ids=APPS.keys())
def test_an_application(document: dict[str, Any]) -> None:
    app = parse.app({"id": "/web", **document}, version=V)
    seen = MarathonApp.from_json(orjson.loads(orjson.dumps(output.app(app))))
    assert parse.app(orjson.loads(seen.to_json()), version=V) == app


def test_a_group() -> None:
    root = Group().with_app(parse.app({"id": "/team/web", "cmd": "serve"}, version=V))
    seen = MarathonGroup.from_json(orjson.loads(orjson.dumps(output.group(root))))
    seen.version = None
    assert parse.group(orjson.loads(seen.to_json()), Group(), version=V) == root
