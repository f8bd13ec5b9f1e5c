from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.scheduler.definitions import output, parse, update
from services.scheduler.definitions.app import App, Network, PortDefinition, PortMapping
from services.scheduler.definitions.errors import InvalidDefinition

OLD, NEW = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"


def host(**fields: Any) -> App:
    document = {"id": "/web", "cmd": "serve", "env": {"A": "1"}, "mem": 64, "labels": {"a": "b"}, **fields}
    return replace(parse.app(document, version=OLD), port_definitions=(PortDefinition(10001, name="default"),))


def bridge(*ports: dict[str, Any]) -> App:
    container = {"docker": {"image": "a"}, "portMappings": list(ports)}
    return parse.app({"id": "/web", "container": container, "networks": [{"mode": "container/bridge"}]}, version=OLD)


@pytest.mark.parametrize(
    ("document", "partial"),
    [
        ({}, True),
        ({"id": "/web", "mem": 64}, True),
        ({"mem": None}, True),
        ({"cmd": "serve", "env": {"A": "1"}, "mem": 64, "labels": {"a": "b"}}, False),
        ({"portDefinitions": [{"port": 0, "name": "default"}]}, True),
        ({"tasksRunning": 3}, True),
    ],
)
def test_nothing_new_is_the_same_definition(document: dict[str, Any], partial: bool) -> None:
    old = host()
    assert update.app(old, document, partial=partial, version=NEW) is old


def test_what_is_shown_is_no_change() -> None:
    old = bridge({"containerPort": 80, "servicePort": 10001})
    shown = {key: value for key, value in output.app(old).items() if key != "version"}
    for partial in (True, False):
        assert update.app(old, shown, partial=partial, version=NEW) is old


@pytest.mark.parametrize("name", ["constraints", "dependencies"])
def test_another_order_of_a_set_is_no_change(name: str) -> None:
    values: list[Any] = {"constraints": [["a", "UNIQUE"], ["b", "UNIQUE"]], "dependencies": ["/a", "/b"]}[name]
    old = host(**{name: values})
    assert update.app(old, {name: values[::-1]}, partial=True, version=NEW) is old
    assert update.app(old, {name: values[:1]}, partial=True, version=NEW) is not old
    other: list[Any] = {"constraints": [["a", "UNIQUE"], ["c", "UNIQUE"]], "dependencies": ["/a", "/c"]}[name]
    assert update.app(old, {name: other}, partial=True, version=NEW) == update.app(
        host(), {name: other}, partial=True, version=NEW
    )


@pytest.mark.parametrize("partial", [True, False])
def test_scaling_outdates_no_instance(partial: bool) -> None:
    document = {"instances": 5} if partial else {**output.app(host()), "version": None, "instances": 5}
    assert update.app(host(), document, partial=partial, version=NEW) == replace(
        host(), instances=5, version=NEW, last_scaling_at=NEW
    )


def test_another_change_outdates_all() -> None:
    new = update.app(host(), {"instances": 5, "env": {"B": "2"}}, partial=True, version=NEW)
    assert new == replace(
        host(), instances=5, env={"B": "2"}, version=NEW, last_scaling_at=NEW, last_config_change_at=NEW
    )


def test_scaling_keeps_the_time_of_the_last_change() -> None:
    changed = update.app(host(), {"mem": 1}, partial=True, version=NEW)
    scaled = update.app(changed, {"instances": 2}, partial=True, version="2026-03-01T00:00:00.000Z")
    assert (scaled.last_config_change_at, scaled.last_scaling_at) == (NEW, "2026-03-01T00:00:00.000Z")


def test_a_whole_definition_forgets_what_it_does_not_say() -> None:
    new = update.app(host(), {"cmd": "other"}, partial=False, version=NEW)
    assert (new.cmd, new.mem, new.env, new.labels) == ("other", 128.0, {}, {})
    assert new.service_ports == (10001,)


PARTIAL: dict[str, tuple[App, dict[str, Any], dict[str, Any]]] = {
    "old ports": (host(), {"ports": [8080]}, {"port_definitions": (PortDefinition(8080),)}),
    "old uris": (host(), {"uris": []}, {}),
    "networks: host to bridge": (
        host(container={"type": "MESOS"}),
        {"networks": [{"mode": "container/bridge"}]},
        {
            "networks": (Network("container/bridge"),),
            "port_definitions": (),
            "container": parse.app(
                {"id": "/x", "cmd": "a", "networks": [{"mode": "container/bridge"}]}, version=OLD
            ).container,
        },
    ),
    "a role stays": (host(role="web"), {"mem": 64}, {}),
}


@pytest.mark.parametrize(("old", "document", "changes"), PARTIAL.values(), ids=PARTIAL.keys())
def test_a_part_changes_only_what_it_says(old: App, document: dict[str, Any], changes: dict[str, Any]) -> None:
    new = update.app(old, document, partial=True, version=NEW)
    if "container" in changes:  # its service port is the one that the host's port had
        mapping = replace(changes["container"].port_mappings[0], service_port=10001)
        changes = {**changes, "container": replace(changes["container"], port_mappings=(mapping,))}
    expected = replace(old, **changes)
    if changes:
        expected = replace(expected, version=NEW, last_scaling_at=NEW, last_config_change_at=NEW)
    assert new == expected


def test_bridge_to_host() -> None:
    new = update.app(bridge({"containerPort": 80}), {"networks": [{"mode": "host"}]}, partial=True, version=NEW)
    assert new.networks == (Network("host"),)
    assert new.container is not None
    assert new.container.port_mappings == ()
    assert new.port_definitions == (PortDefinition(0, name="default"),)


def test_service_ports_stay_with_their_names() -> None:
    old = bridge(
        {"containerPort": 1, "name": "a", "servicePort": 10001},
        {"containerPort": 2, "name": "b", "servicePort": 10002},
        {"containerPort": 3, "servicePort": 10003},
    )
    mappings = [{"containerPort": 2, "name": "b"}, {"containerPort": 4}, {"containerPort": 1, "name": "a"}]
    document = {"container": {"docker": {"image": "a"}, "portMappings": [*mappings, {"containerPort": 5}]}}
    new = update.app(old, document, partial=True, version=NEW)
    assert new.service_ports == (10002, 10003, 10001, 0)
    assert new.container is not None
    assert new.container.port_mappings[0] == PortMapping(2, 0, name="b", service_port=10002)


def test_a_port_that_the_user_had_chosen_is_not_kept() -> None:
    old = replace(host(), port_definitions=(PortDefinition(8080),))
    new = update.app(old, {"portDefinitions": [{"port": 0}]}, partial=True, version=NEW)
    assert new.service_ports == (0,)


@pytest.mark.parametrize(
    ("document", "status", "path"),
    [
        ([], 400, "/"),
        ({"cpus": "1"}, 400, "/cpus"),
        ({"args": ["a"]}, 422, "/"),
        ({"gpus": 1}, 422, "/gpus"),
        ({"container": {"docker": {"image": "a", "privileged": True}}}, 422, "/container/docker/privileged"),
        ({"version": OLD}, 422, "/version"),
        ({"version": OLD, "mem": 1}, 422, "/"),
        ({"healthChecks": [{"portIndex": 1}]}, 422, "/healthChecks(0)"),
    ],
)
def test_refuses(document: object, status: int, path: str) -> None:
    with pytest.raises(InvalidDefinition) as error:
        update.app(host(), document, partial=True, version=NEW)
    assert (error.value.status, [detail["path"] for detail in error.value.details]) == (status, [path])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, None),
        ({"mem": 1}, None),
        ({"version": None, "mem": 1}, None),
        ({"id": "/web", "version": OLD}, OLD),
        ([], None),
    ],
)
def test_rollback_version(document: object, expected: str | None) -> None:
    assert update.rollback_version(document) == expected


def test_restart_and_scale() -> None:
    old = host()
    assert update.restarted(old, NEW) == replace(old, version=NEW, last_scaling_at=NEW, last_config_change_at=NEW)
    assert update.scaled(old, 1, NEW) is old
    assert update.scaled(old, 4, NEW) == replace(old, instances=4, version=NEW, last_scaling_at=NEW)
