"""Applications on real Mesos through the API: made, scaled, changed, restarted, removed; as Marathon answers."""

from __future__ import annotations

from typing import Any

import pytest
from waiting import eventually

SLEEPER: dict[str, Any] = {
    "cmd": "sleep 3600",
    "cpus": 0.1,
    "mem": 32,
    "instances": 1,
    "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
}


@pytest.fixture
def leader(schedulers: Any) -> Any:
    return schedulers.leader


@pytest.fixture
def app_id(request: pytest.FixtureRequest, leader: Any) -> Any:
    """An id of the test's own; what it names is removed."""
    name = "/test/" + request.node.name.replace("_", "-").replace("[", "-").replace("]", "").lower()[:60].strip("-")
    yield name
    answer = leader.ask("DELETE", f"/v2/apps{name}")
    if answer.status == 200:
        leader.deployed(answer)


def test_an_application_lives_and_dies(leader: Any, app_id: str) -> None:
    answer = leader.ask("POST", "/v2/apps", {"id": app_id, **SLEEPER})
    assert answer.status == 201, answer.body
    created = answer.json()
    assert created["id"] == app_id
    assert created["deployments"] == [{"id": answer.headers["Marathon-Deployment-Id"]}]
    leader.deployed(answer)
    (task,) = leader.running(app_id).values()
    assert task["appId"] == app_id
    assert task["version"] == created["version"]

    leader.deployed(leader.ask("PUT", f"/v2/apps{app_id}", {"instances": 3}))
    assert len(leader.running(app_id)) == 3
    assert task["id"] in leader.running(app_id)

    leader.deployed(leader.ask("PUT", f"/v2/apps{app_id}", {"instances": 1}))
    eventually(lambda: len(leader.tasks(app_id)) == 1, 10, "two tasks end")

    leader.deployed(leader.ask("DELETE", f"/v2/apps{app_id}"))
    answer = leader.ask("GET", f"/v2/apps{app_id}")
    assert (answer.status, answer.json()) == (404, {"message": f"App '{app_id}' does not exist"})


def test_a_change_replaces_tasks(leader: Any, app_id: str) -> None:
    leader.deployed(leader.ask("POST", "/v2/apps", {"id": app_id, **SLEEPER, "instances": 2}))
    before = leader.running(app_id)
    leader.deployed(leader.ask("PUT", f"/v2/apps{app_id}", {"env": {"A": "1"}}))
    after = leader.running(app_id)
    assert len(after) == 2
    assert not before.keys() & after.keys()
    answer = leader.ask("PUT", f"/v2/apps{app_id}", {"env": {"A": "1"}})  # the same again
    leader.deployed(answer)
    assert leader.running(app_id).keys() == after.keys()


def test_restart(leader: Any, app_id: str) -> None:
    leader.deployed(leader.ask("POST", "/v2/apps", {"id": app_id, **SLEEPER}))
    before = leader.running(app_id)
    leader.deployed(leader.ask("POST", f"/v2/apps{app_id}/restart"))
    after = leader.running(app_id)
    assert len(after) == 1
    assert not before.keys() & after.keys()


def test_versions_and_rollback(leader: Any, app_id: str) -> None:
    first = leader.deployed(leader.ask("POST", "/v2/apps", {"id": app_id, **SLEEPER, "env": {"A": "1"}}))
    second = leader.deployed(leader.ask("PUT", f"/v2/apps{app_id}", {"env": {"A": "2"}}))
    assert leader.get(f"/v2/apps{app_id}/versions") == {"versions": [second["version"], first["version"]]}
    assert leader.get(f"/v2/apps{app_id}/versions/{first['version']}")["env"] == {"A": "1"}
    leader.deployed(leader.ask("PUT", f"/v2/apps{app_id}", {"version": first["version"]}))
    assert leader.get(f"/v2/apps{app_id}")["app"]["env"] == {"A": "1"}
    answer = leader.ask("GET", f"/v2/apps{app_id}/versions/2001-01-01T00:00:00.000Z")
    assert answer.status == 404
    assert answer.json() == {"message": f"App '{app_id}' does not exist in version 2001-01-01T00:00:00.000Z"}


def test_a_killed_task_is_replaced(leader: Any, app_id: str) -> None:
    leader.deployed(leader.ask("POST", "/v2/apps", {"id": app_id, **SLEEPER}))
    (task,) = leader.running(app_id)
    answer = leader.ask("DELETE", f"/v2/apps{app_id}/tasks/{task}")
    assert answer.status == 200
    assert answer.json()["task"]["id"] == task
    eventually(lambda: leader.running(app_id).keys() - {task}, 30, "another task runs")


def test_a_task_killed_with_scale_is_not(leader: Any, app_id: str) -> None:
    leader.deployed(leader.ask("POST", "/v2/apps", {"id": app_id, **SLEEPER, "instances": 2}))
    task, other = sorted(leader.running(app_id))
    leader.deployed(leader.ask("DELETE", f"/v2/apps{app_id}/tasks/{task}?scale=true"))
    assert leader.get(f"/v2/apps{app_id}")["app"]["instances"] == 1
    assert list(leader.running(app_id)) == [other]
    answer = leader.ask("POST", "/v2/tasks/delete?scale=true", {"ids": [other]})
    leader.deployed(answer)
    assert leader.get(f"/v2/apps{app_id}")["app"]["instances"] == 0


def test_a_deployment_locks_and_is_taken_back(leader: Any, app_id: str) -> None:
    leader.deployed(leader.ask("POST", "/v2/apps", {"id": app_id, **SLEEPER}))
    (task,) = leader.running(app_id)
    stuck = leader.ask("PUT", f"/v2/apps{app_id}", {"cpus": 1000})  # no agent has that
    assert stuck.status == 200
    deployment = stuck.json()["deploymentId"]
    answer = leader.ask("PUT", f"/v2/apps{app_id}", {"instances": 2})
    assert answer.status == 409
    assert answer.json()["deployments"] == [{"id": deployment}]
    eventually(lambda: leader.get("/v2/queue")["queue"], 15, "the launch queue is empty")

    def refused() -> bool:
        (item,) = [
            each for each in leader.get("/v2/queue?embed=lastUnusedOffers")["queue"] if each["app"]["id"] == app_id
        ]
        last = item["processedOffersSummary"].get("rejectSummaryLastOffers", [])
        return any(each["reason"] == "InsufficientCpus" and each["declined"] for each in last)

    eventually(refused, 20, "no offer was refused for want of cpus")
    assert leader.ask("DELETE", f"/v2/queue{app_id}/delay").status == 204
    back = leader.ask("DELETE", f"/v2/deployments/{deployment}")
    leader.deployed(back)
    assert leader.get(f"/v2/apps{app_id}")["app"]["cpus"] == 0.1
    eventually(lambda: len(leader.running(app_id)) == 1, 30, "one task runs")
    missing = leader.ask("DELETE", f"/v2/deployments/{deployment}")
    assert (missing.status, missing.json()) == (404, {"message": f"DeploymentPlan {deployment} does not exist"})
    assert task


def test_a_group_with_dependencies(leader: Any, app_id: str) -> None:
    group = {
        "id": f"{app_id}-group",
        "apps": [
            {"id": "web", **SLEEPER, "dependencies": ["db"]},
            {"id": "db", **SLEEPER},
        ],
    }
    planned = leader.ask("PUT", "/v2/groups?dryRun=true", group).json()
    scales = [
        [each["app"] for each in step["actions"]]
        for step in planned["steps"]
        if step["actions"][0]["action"] == "ScaleApplication"
    ]
    assert scales == [[f"{app_id}-group/db"], [f"{app_id}-group/web"]]
    assert leader.ask("GET", f"/v2/groups{app_id}-group").status == 404
    leader.deployed(leader.ask("POST", "/v2/groups", group))
    assert leader.ask("POST", "/v2/groups", group).status == 409
    shown = leader.get(f"/v2/groups{app_id}-group")
    assert sorted(each["id"] for each in shown["apps"]) == [f"{app_id}-group/db", f"{app_id}-group/web"]
    everything = leader.get(f"/v2/apps{app_id}-group/*")
    assert len(everything["*"]) == 2
    assert len(leader.get(f"/v2/apps{app_id}-group/*/tasks")["tasks"]) == 2
    leader.deployed(leader.ask("DELETE", f"/v2/groups{app_id}-group"))
    assert leader.ask("GET", f"/v2/groups{app_id}-group").status == 404


def test_a_docker_application(leader: Any, app_id: str, image: str) -> None:
    definition = {
        "id": app_id,
        **SLEEPER,
        "args": ["sleep", "3600"],
        "cmd": None,
        "networks": [{"mode": "container/bridge"}],
        "container": {
            "type": "DOCKER",
            "docker": {"image": image},
            "portMappings": [{"containerPort": 80, "hostPort": 0}],
        },
    }
    leader.deployed(leader.ask("POST", "/v2/apps", definition))
    (task,) = leader.running(app_id).values()
    assert 31900 <= task["ports"][0] <= 31999
    assert len(task["servicePorts"]) == 1
