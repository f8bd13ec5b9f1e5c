from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from unit.services.scheduler.deployments.small_world import MemoryStore

from services.scheduler.definitions.app import App
from services.scheduler.definitions.group import Group
from services.scheduler.root import Root, assemble

V1, V2, V3 = (f"2026-01-0{day}T00:00:00.000Z" for day in (1, 2, 3))


def app(app_id: str, version: str = V1) -> App:
    return App(id=app_id, version=version, last_scaling_at=version, last_config_change_at=version)


def test_what_is_committed_is_there_for_the_next_leader() -> None:
    async def play() -> None:
        store = MemoryStore()
        root = Root(store, Group())
        group = Group().with_app(app("/a")).with_app(app("/team/inner/b")).with_group(Group("/empty"))
        inner = group.group("/team/inner")
        assert inner is not None
        group = group.with_group(replace(inner, dependencies=("/empty",), enforce_role=True))
        await root.commit(group, V2)
        snapshot = await store.load()
        again = Root.of_stored(store, snapshot.apps, snapshot.groups)
        assert again.group == root.group
        assert again.group.version == V2

    asyncio.run(play())


def test_versions() -> None:
    async def play() -> None:
        store = MemoryStore()
        root = Root(store, Group())
        await root.commit(root.group.with_app(app("/a")).with_app(app("/b")), V1)
        await root.commit(root.group.with_app(app("/a", V2)), V2)
        await root.commit(root.group.without_app("/b"), V3)
        assert root.versions("/a") == [V2, V1]
        assert root.versions("/b") == []
        assert await root.app_version("/a", V1) == app("/a")
        assert await root.app_version("/a", V2) is root.app("/a")
        assert await root.app_version("/a", V3) is None
        assert root.group_versions() == [V3, V2, V1]
        first = await root.group_version(V1)
        assert first is not None
        assert dict(first.all_apps()) == {"/a": app("/a"), "/b": app("/b")}
        assert await root.group_version(V3) is root.group
        assert await root.group_version("2020-01-01T00:00:00.000Z") is None
        del store.apps["/a", V1]
        assert await root.group_version(V1) is None

    asyncio.run(play())


def test_a_commit_that_is_not_stored_did_not_happen() -> None:
    async def play() -> None:
        store = MemoryStore()
        root = Root(store, Group())
        seen: list[Group] = []
        root.listen(seen.append)
        before = root.group
        store.broken = True
        with pytest.raises(OSError, match="away"):
            await root.commit(before.with_app(app("/a")), V2)
        assert root.group is before
        assert seen == []
        await root.commit(before.with_app(app("/a")), V2)
        assert seen == [root.group]

    asyncio.run(play())


def test_only_what_changed_is_written() -> None:
    written: list[list[str]] = []

    class Store(MemoryStore):
        async def save_root(self, *, changed: list[App], **rest: object) -> None:  # type: ignore[override]
            written.append([each.id for each in changed])

    async def play() -> None:
        root = Root(Store(), Group())
        await root.commit(root.group.with_app(app("/a")).with_app(app("/b")), V1)
        await root.commit(root.group.with_app(app("/b", V2)), V2)
        assert written == [["/a", "/b"], ["/b"]]

    asyncio.run(play())


def test_groups_above_a_stored_one_are_made() -> None:
    group = assemble([app("/x/y/z/app")], {"/p/q": {"dependencies": ["/x"], "version": V2}})
    assert {each.id for each in group.transitive_groups()} == {"/", "/x", "/x/y", "/x/y/z", "/p", "/p/q"}
    q = group.group("/p/q")
    assert q is not None
    assert (q.dependencies, q.version) == (("/x",), V2)
    assert set(group.all_apps()) == {"/x/y/z/app"}
