from __future__ import annotations

from dataclasses import replace

from services.scheduler.definitions.app import App
from services.scheduler.definitions.group import Group
from services.scheduler.deployments.changes import between, restored

V1, V2, V3 = (f"2026-01-0{day}T00:00:00.000Z" for day in (1, 2, 3))


def app(app_id: str, version: str = V1, *, instances: int = 1, config: str | None = None) -> App:
    return App(
        id=app_id,
        version=version,
        last_scaling_at=version,
        last_config_change_at=config or version,
        instances=instances,
    )


def root(*apps: App) -> Group:
    group = Group()
    for each in apps:
        group = group.with_app(each)
    return group


def ids(group: Group) -> set[str]:
    return set(group.all_apps())


def group_ids(group: Group) -> set[str]:
    return {each.id for each in group.transitive_groups()}


def test_nothing_differs() -> None:
    group = root(app("/a"))
    assert not between(group, group)
    assert not between(group, root(app("/a")))


def test_forth_and_back() -> None:
    before = root(app("/a"), app("/gone/b"))
    after = root(app("/a", V2), app("/team/inner/c"))
    changes = between(before, after)
    there = changes.onto(before)
    assert there.all_apps() == after.all_apps()
    back = changes.reversed().onto(there)
    assert back.all_apps() == before.all_apps()
    assert group_ids(back) == {"/", "/gone"}


def test_what_others_did_meanwhile_stays() -> None:
    before = root(app("/a"))
    changes = between(before, root(app("/a", V2), app("/team/b", V2)))
    meanwhile = changes.onto(before).with_app(app("/team/other", V3))
    back = changes.reversed().onto(meanwhile)
    assert back.app("/a") == app("/a")
    assert ids(back) == {"/a", "/team/other"}
    assert "/team" in group_ids(back)


def test_dependencies_of_groups() -> None:
    before = root(app("/a/x"), app("/b/y"))
    group = before.group("/a")
    assert group is not None
    after = before.with_group(replace(group, dependencies=("/b",)))
    changes = between(before, after)
    assert changes.onto(before).group("/a") == after.group("/a")
    back = changes.reversed().onto(after).group("/a")
    assert back is not None
    assert back.dependencies == ()


def test_a_definition_that_returns_is_a_new_version() -> None:
    before, after = root(app("/a")), root(app("/a", V2))
    back = restored(between(before, after).reversed(), after, V3).apps["/a"].after
    assert back is not None
    assert (back.version, back.last_config_change_at) == (V3, V3)


def test_a_number_that_returns_restarts_nothing() -> None:
    before, after = root(app("/a")), root(app("/a", V2, instances=4, config=V1))
    back = restored(between(before, after).reversed(), after, V3).apps["/a"].after
    assert back is not None
    assert (back.instances, back.last_scaling_at, back.last_config_change_at) == (1, V3, V1)


def test_an_application_that_returns_is_new() -> None:
    before, after = root(app("/a")), root()
    back = restored(between(before, after).reversed(), after, V3).onto(after).app("/a")
    assert back is not None
    assert (back.version, back.last_config_change_at) == (V3, V3)
