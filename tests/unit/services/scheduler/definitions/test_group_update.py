from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.scheduler.definitions import group_update, output, parse
from services.scheduler.definitions.errors import InvalidDefinition
from services.scheduler.definitions.group import Group

OLD, NEW = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"

SHOP: dict[str, Any] = {
    "id": "/shop",
    "groups": [
        {"id": "db", "apps": [{"id": "mongo", "cmd": "mongo", "instances": 3}]},
        {"id": "web", "dependencies": ["../db"], "apps": [{"id": "front", "cmd": "front", "dependencies": ["back"]}]},
    ],
    "apps": [{"id": "/shop/admin", "cmd": "admin", "labels": {"a": "b"}}],
}


def shop() -> Group:
    return parse.group(SHOP, Group(), version=OLD)


def test_a_tree_is_made() -> None:
    root = shop()
    assert set(root.all_apps()) == {"/shop/admin", "/shop/db/mongo", "/shop/web/front"}
    assert root.app("/shop/web/front").dependencies == ("/shop/web/back",)  # type: ignore[union-attr]
    assert root.group("/shop/web").dependencies == ("/shop/db",)  # type: ignore[union-attr]
    assert {group.version for group in root.transitive_groups()} == {OLD}


def test_the_same_again_changes_no_application() -> None:
    root = shop()
    again = parse.group(SHOP, root, version=NEW)
    assert again.version == NEW
    assert all(again.app(app_id) is app for app_id, app in root.all_apps().items())


def test_what_is_shown_can_be_put_back() -> None:
    root = shop()
    shown = output.group(root)
    del shown["version"]
    assert parse.group(shown, root, version=NEW).all_apps() == root.all_apps()
    assert parse.group(shown, Group(), version=OLD) == root


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"groups": []}, {"/shop/admin"}),
        ({"apps": []}, {"/shop/db/mongo", "/shop/web/front"}),
        ({"groups": [{"id": "db"}]}, {"/shop/admin", "/shop/db/mongo"}),
        ({"groups": [{"id": "new", "apps": [{"id": "x", "cmd": "x"}]}]}, {"/shop/admin", "/shop/new/x"}),
        ({"dependencies": []}, {"/shop/admin", "/shop/db/mongo", "/shop/web/front"}),
    ],
)
def test_what_is_listed_replaces_what_was(document: dict[str, Any], expected: set[str]) -> None:
    assert set(parse.group(document, shop(), version=NEW, base="/shop").all_apps()) == expected


@pytest.mark.parametrize(
    ("document", "expected"), [({}, ("/shop/db",)), ({"dependencies": []}, ()), ({"dependencies": ["/x"]}, ("/x",))]
)
def test_dependencies_of_a_group(document: dict[str, Any], expected: tuple[str, ...]) -> None:
    changed = parse.group(document, shop(), version=NEW, base="/shop/web").group("/shop/web")
    assert changed is not None
    assert changed.dependencies == expected


def test_only_changed_applications_get_the_version() -> None:
    document = {"apps": [{"id": "admin", "cmd": "admin", "labels": {"a": "b"}, "instances": 2}]}
    root = parse.group(document, shop(), version=NEW, base="/shop")
    admin = shop().app("/shop/admin")
    assert admin is not None
    assert root.app("/shop/admin") == replace(admin, instances=2, version=NEW, last_scaling_at=NEW)
    assert root.app("/shop/db/mongo") == shop().app("/shop/db/mongo")


@pytest.mark.parametrize(("factor", "expected"), [(2, (6, 2, 2)), (0.5, (2, 1, 1)), (0, (0, 0, 0)), (1, (3, 1, 1))])
def test_scale_by(factor: float, expected: tuple[int, ...]) -> None:
    old = shop()
    root = parse.group({"scaleBy": factor}, old, version=NEW, base="/shop")
    apps = [root.all_apps()[name] for name in ("/shop/db/mongo", "/shop/admin", "/shop/web/front")]
    assert tuple(app.instances for app in apps) == expected
    assert {app.last_config_change_at for app in apps} == {OLD}


def test_scale_by_does_not_round_up_what_is_whole() -> None:
    root = parse.group({"apps": [{"id": "/a", "cmd": "a", "instances": 10}]}, Group(), version=OLD)
    assert parse.group({"scaleBy": 1.1}, root, version=NEW).all_apps()["/a"].instances == 11


@pytest.mark.parametrize(
    ("document", "base", "expected"),
    [
        ({"id": "sub"}, "/shop", "/shop/sub"),
        ({"id": "/x"}, "/", "/x"),
        ({}, "/shop", "/shop"),
        ({"id": "x/y"}, "/", "/x/y"),
    ],
)
def test_id_of(document: object, base: str, expected: str) -> None:
    assert group_update.id_of(document, base) == expected
    assert parse.group(document, Group(), version=NEW, base=base).group(expected) is not None


def test_roles_of_top_level_groups() -> None:
    document = {"id": "/dev", "enforceRole": True, "apps": [{"id": "a", "cmd": "a"}], "groups": []}
    root = parse.group(document, Group(), version=OLD, policy=parse.Policy(default_role="ops"))
    assert root.all_apps()["/dev/a"].role == "dev"
    assert root.groups["/dev"].enforce_role
    kept = parse.group({"apps": [{"id": "b", "cmd": "b"}]}, root, version=NEW, base="/dev")
    assert kept.all_apps()["/dev/b"].role == "dev"
    through_root = parse.group({"groups": [document]}, Group(), version=OLD)
    assert through_root.all_apps()["/dev/a"].role == "dev"


def app(**fields: Any) -> dict[str, Any]:
    return {"id": "a", "cmd": "a", **fields}


REFUSED: dict[str, tuple[object, str, int, dict[str, Any]]] = {
    "not an object": ([], "/", 400, {"/": "error.expected.jsobject"}),
    "groups that are no list": ({"groups": {}}, "/", 400, {"/groups": "error.expected.jsarray"}),
    "an inner group without an id": ({"groups": [{}]}, "/", 400, {"/groups(0)/id": "error.path.missing"}),
    "an application of a wrong shape": (
        {"groups": [{"id": "a", "apps": [app(), app(id="b", cpus="1")]}]},
        "/",
        400,
        {"/groups(0)/apps(1)/cpus": "error.expected.jsnumber"},
    ),
    "an application against a rule": (
        {"groups": [{"id": "a", "apps": [app(args=["x"])]}]},
        "/",
        422,
        {
            "/groups(0)/apps(0)": "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.",
        },
    ),
    "an application that cannot be": (
        {"apps": [app(gpus=1)]},
        "/x",
        422,
        {"/apps(0)/gpus": "GPU scheduling is not supported: gpus must be 0"},
    ),
    "an application of another group": (
        {"apps": [app(id="/other/a")]},
        "/x",
        422,
        {"/apps(0)/id": "Identifier is not child of '/x'"},
    ),
    "an application too deep": (
        {"apps": [app(id="b/a")]},
        "/x",
        422,
        {"/apps(0)/id": "Identifier is not child of '/x'"},
    ),
    "the same application twice": (
        {"apps": [app(), app(id="/x/a")]},
        "/x",
        422,
        {"/apps(1)/id": "/x/a is there more than once"},
    ),
    "a group of another": ({"groups": [{"id": "/y"}]}, "/x", 422, {"/groups(0)/id": "Identifier is not child of '/x'"}),
    "a group and an application of one name": (
        {"apps": [app()], "groups": [{"id": "a"}]},
        "/x",
        422,
        {"/": "Groups and Applications may not have the same identifier: /x/a"},
    ),
    "a group where an application is": (
        {"apps": []},
        "/shop/admin",
        422,
        {"/": "Groups and Applications may not have the same identifier: /shop/admin"},
    ),
    "pods": (
        {"groups": [{"id": "a", "pods": [{"id": "p"}]}]},
        "/",
        422,
        {"/groups(0)/pods": "Pods are not supported: only applications can be scheduled"},
    ),
    "a role that is enforced below the top": (
        {"enforceRole": True},
        "/x/y",
        422,
        {"/enforceRole": "enforceRole can only be set for top-level groups"},
    ),
    "a role of another group": (
        {"enforceRole": True, "apps": [app(role="other")]},
        "/x",
        422,
        {"/apps(0)/role": "must be one of x"},
    ),
    "a version and more": (
        {"version": OLD, "apps": []},
        "/x",
        422,
        {"/": "The 'version' field may only be combined with the 'id' field."},
    ),
    "a factor and more": (
        {"scaleBy": 2, "apps": []},
        "/shop",
        422,
        {"/": "The 'scaleBy' field may only be combined with the 'id' field."},
    ),
    "a factor below zero": ({"scaleBy": -1}, "/shop", 400, {"/scaleBy": "error.min: at least 0"}),
    "a factor for nothing": (
        {"scaleBy": 2},
        "/gone",
        422,
        {"/id": "Group /gone does not exist: nothing to scale"},
    ),
    "a cycle": (
        {"apps": [app(dependencies=["b"]), app(id="b", dependencies=["a"])]},
        "/x",
        422,
        {"/dependencies": "Dependency graph has cyclic dependencies: /x/a -> /x/b -> /x/a"},
    ),
}


@pytest.mark.parametrize(("document", "base", "status", "errors"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_with_the_exact_answer(document: object, base: str, status: int, errors: dict[str, str]) -> None:
    with pytest.raises(InvalidDefinition) as error:
        parse.group(document, shop(), version=NEW, base=base)
    assert error.value.status == status
    assert error.value.body == {
        "message": "Invalid JSON" if status == 400 else "Object is not valid",
        "details": [{"path": path, "errors": [text]} for path, text in errors.items()],
    }


def test_a_version_is_for_who_has_former_ones() -> None:
    assert group_update.rollback_version({"version": OLD}) == OLD
    assert group_update.rollback_version({"id": "/shop", "version": OLD}) == OLD
    assert group_update.rollback_version({"id": "/shop"}) is None
    with pytest.raises(InvalidDefinition):
        parse.group({"version": OLD}, shop(), version=NEW)
