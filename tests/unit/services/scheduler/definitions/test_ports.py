from __future__ import annotations

from typing import Any

import pytest

from services.scheduler.definitions import parse, ports
from services.scheduler.definitions.app import App
from services.scheduler.definitions.errors import InvalidDefinition
from services.scheduler.definitions.group import Group

V = "2026-01-01T00:00:00.000Z"


def host(app_id: str, *numbers: int) -> App:
    return parse.app({"id": app_id, "cmd": "serve", "ports": list(numbers)}, version=V)


def bridge(app_id: str, *numbers: int) -> App:
    mappings: list[dict[str, Any]] = [{"containerPort": 80, "servicePort": number} for number in numbers]
    document = {"container": {"docker": {"image": "a"}, "portMappings": mappings}}
    return parse.app({"id": app_id, **document, "networks": [{"mode": "container/bridge"}]}, version=V)


@pytest.mark.parametrize("make", [host, bridge])
@pytest.mark.parametrize(
    ("wanted", "used", "expected"),
    [
        ((0,), set(), (100,)),
        ((0, 0), {100, 102}, (101, 103)),
        ((0, 101, 0), {100}, (102, 101, 103)),
        ((8080, 0), set(), (8080, 100)),
    ],
)
def test_each_gets_a_free_one(make: Any, wanted: tuple[int, ...], used: set[int], expected: tuple[int, ...]) -> None:
    assert ports.assign(make("/a", *wanted), used, 100, 110).service_ports == expected


@pytest.mark.parametrize("app", [host("/a", 8080), host("/a"), bridge("/a", 8080)])
def test_nothing_to_do_is_the_same(app: App) -> None:
    assert ports.assign(app, set()) is app
    assert ports.keep(app, host("/a", 10000)) is app


def test_none_is_free() -> None:
    with pytest.raises(InvalidDefinition) as error:
        ports.assign(host("/a", 0, 0), {100}, 100, 101)
    assert error.value.body == {
        "message": "Object is not valid",
        "details": [{"path": "/ports", "errors": ["no service port is free between 100 and 101"]}],
    }


def test_all_of_a_tree_differ() -> None:
    root = Group()
    for app in (host("/a/x", 0, 0), bridge("/a/y", 0, 10001), host("/b/z", 0), host("/c", 10000)):
        root = root.with_app(app)
    assigned = ports.assign_all(root)
    numbers = [port for app in assigned.all_apps().values() for port in app.service_ports]
    assert sorted(numbers) == [10000, 10001, 10002, 10003, 10004, 10005]
    assert ports.assign_all(assigned) is assigned
