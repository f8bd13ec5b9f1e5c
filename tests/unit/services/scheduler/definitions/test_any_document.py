"""Whatever is sent, there is an application or an answer that says what is wrong; nothing else escapes."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.definitions import output, parse, update
from services.scheduler.definitions.errors import InvalidDefinition
from services.scheduler.definitions.group import Group

V1, V2 = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"

FULL: dict[str, Any] = {
    "id": "/team/web",
    "cmd": "serve",
    "args": [],
    "user": "www",
    "env": {"A": "b"},
    "labels": {"a": "b"},
    "instances": 2,
    "cpus": 0.5,
    "mem": 64,
    "disk": 0,
    "gpus": 0,
    "resourceLimits": {"cpus": 1, "mem": "unlimited"},
    "role": "*",
    "acceptedResourceRoles": ["*"],
    "executor": "",
    "constraints": [["hostname", "UNIQUE"], ["rack", "MAX_PER", "2"]],
    "container": {
        "type": "DOCKER",
        "docker": {
            "image": "a",
            "network": "BRIDGE",
            "parameters": [{"key": "a", "value": "b"}],
            "portMappings": [{"containerPort": 80, "hostPort": 0, "name": "http", "protocol": "tcp", "labels": {}}],
        },
        "volumes": [{"containerPath": "/a", "hostPath": "/b", "mode": "RO"}],
    },
    "uris": ["http://files/a.zip"],
    "healthChecks": [{"protocol": "COMMAND", "command": {"value": "true"}, "intervalSeconds": 5}],
    "check": {"exec": {"command": {"shell": "true"}}},
    "readinessChecks": [{"portName": "http", "httpStatusCodesForReady": [200]}],
    "dependencies": ["/team/db"],
    "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
    "unreachableStrategy": {"inactiveAfterSeconds": 0},
    "killSelection": "OLDEST_FIRST",
}
OTHERS: dict[str, Any] = {
    "networks": [{"mode": "container", "name": "dev"}],
    "ipAddress": {"networkName": "dev", "discovery": {"ports": [{"number": 1, "name": "a"}]}},
    "ports": [0, 8080],
    "portDefinitions": [{"port": 8080, "name": "http"}],
    "fetch": [{"uri": "http://files/a"}],
    "secrets": {"a": {"source": "b"}},
    "requirePorts": True,
}
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**40),
    st.floats(),
    st.sampled_from(["", "a", "/a", "..", "http", "MESOS", "host", "unlimited", "disabled", "COMMAND", "TCP", "HOST"]),
    st.text(max_size=5),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "id", "port"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A definition in which some values are gone, some are there that may not fit, and some are anything."""
    document = copy.deepcopy(FULL)
    for name in draw(st.lists(st.sampled_from(sorted(OTHERS)), max_size=2)):
        document[name] = copy.deepcopy(OTHERS[name])
    for name in draw(st.lists(st.sampled_from(sorted(document)), max_size=4, unique=True)):
        del document[name]
    for _ in range(draw(st.integers(0, 2))):
        _spoil(draw, document)
    return document


def _spoil(draw: st.DrawFn, node: Any) -> None:
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or draw(st.booleans()):
            node[key] = draw(JSON)
            return
        node = node[key]


@settings(max_examples=200, deadline=None)
@given(documents())
def test_an_application_or_an_answer(document: Any) -> None:
    try:
        app = parse.app(document, version=V1)
    except InvalidDefinition as error:
        _check_answer(error)
    else:
        assert parse.app(output.app(app), version=V1) == app
        assert parse.stored(output.stored(app)) == app


@settings(max_examples=200, deadline=None)
@given(documents(), documents(), st.booleans())
def test_an_update_or_an_answer(before: Any, document: Any, partial: bool) -> None:
    try:
        old = parse.app(before, version=V1)
        new = update.app(old, document, partial=partial, version=V2)
    except InvalidDefinition as error:
        _check_answer(error)
    else:
        assert new is old or new.version == V2
        # Asked for once more, it is there already.
        assert update.app(new, document, partial=partial, version="2026-01-03T00:00:00.000Z") is new


@settings(max_examples=100, deadline=None)
@given(st.lists(documents(), max_size=2), JSON)
def test_a_group_or_an_answer(apps: list[Any], anything: Any) -> None:
    for document in ({"id": "/team", "apps": apps, "groups": anything}, {"apps": anything}, anything):
        try:
            root = parse.group(document, Group(), version=V1)
        except InvalidDefinition as error:
            _check_answer(error)
        else:
            assert parse.stored_tree(output.stored_groups(root), root.all_apps().values()) == root


def _check_answer(error: InvalidDefinition) -> None:
    assert error.status in (400, 422)
    assert error.details
    for detail in error.details:
        assert detail["path"].startswith("/")
        assert all(isinstance(text, str) and text for text in detail["errors"])
