from __future__ import annotations

from dataclasses import replace

import pytest

from services.scheduler.definitions.app import App
from services.scheduler.definitions.group import Group
from services.scheduler.deployments.plan import DeploymentPlan, plan

V1, V2, V3 = (f"2026-01-0{day}T00:00:00.000Z" for day in (1, 2, 3))


def app(app_id: str, version: str = V1, *, instances: int = 1, config: str | None = None, needs: str = "") -> App:
    return App(
        id=app_id,
        version=version,
        last_scaling_at=version,
        last_config_change_at=config or version,
        instances=instances,
        dependencies=tuple(needs.split()),
    )


def root(*apps: App) -> Group:
    group = Group()
    for each in apps:
        group = group.with_app(each)
    return group


def steps(made: DeploymentPlan) -> list[list[str]]:
    return [[f"{action.type.value} {action.app.id}" for action in step] for step in made.steps]


CASES = {
    "nothing": ([app("/a")], [app("/a")], []),
    "new": ([], [app("/a")], [["StartApplication /a"], ["ScaleApplication /a"]]),
    "removed": ([app("/a")], [], [["StopApplication /a"]]),
    "scaled": ([app("/a")], [app("/a", V2, instances=3, config=V1)], [["ScaleApplication /a"]]),
    "changed": ([app("/a")], [app("/a", V2)], [["RestartApplication /a"]]),
    "changed and scaled": ([app("/a")], [app("/a", V2, instances=3)], [["RestartApplication /a"]]),
    "what others depend on first": (
        [],
        [app("/web", needs="/db"), app("/db"), app("/cache")],
        [
            ["StartApplication /cache", "StartApplication /db", "StartApplication /web"],
            ["ScaleApplication /cache", "ScaleApplication /db"],
            ["ScaleApplication /web"],
        ],
    ),
    "only what changed": (
        [app("/web", needs="/db"), app("/db")],
        [app("/web", V2, needs="/db"), app("/db")],
        [["RestartApplication /web"]],
    ),
    "all at once": (
        [app("/gone"), app("/more"), app("/new-config")],
        [app("/more", V2, instances=2, config=V1), app("/new-config", V2), app("/team/added")],
        [
            ["StopApplication /gone"],
            ["StartApplication /team/added"],
            ["ScaleApplication /more", "RestartApplication /new-config", "ScaleApplication /team/added"],
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_steps(name: str) -> None:
    before, after, expected = CASES[name]
    assert steps(plan(root(*before), root(*after), version=V2)) == expected


def test_documents() -> None:
    made = plan(root(), root(app("/a")), version=V2, deployment_id="d1")
    assert made.event_document() == {
        "id": "d1",
        "version": V2,
        "steps": [
            {"actions": [{"action": "StartApplication", "app": "/a"}]},
            {"actions": [{"action": "ScaleApplication", "app": "/a"}]},
        ],
    }
    assert made.affected == {"/a"}


@pytest.mark.parametrize(
    ("version", "unchanged", "expected"),
    [(V1, {}, False), (V1, {"/a": (V1, V2)}, True), (V2, {"/a": (V1, V2)}, False), (V1, {"/b": (V1, V2)}, False)],
)
def test_takes_over(version: str, unchanged: dict[str, tuple[str, str]], expected: bool) -> None:
    made = plan(root(app("/a")), root(app("/a", V3)), version=V3, unchanged=unchanged)
    assert made.takes_over("/a", version) is expected


def test_a_group_of_many_is_planned_with_what_it_shares() -> None:
    before = root(*(app(f"/team/app-{number}") for number in range(300)))
    after = before.with_app(replace(app("/team/app-7"), version=V2, last_config_change_at=V2))
    assert steps(plan(before, after, version=V2)) == [["RestartApplication /team/app-7"]]
