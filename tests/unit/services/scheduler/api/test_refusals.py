"""What is refused, with which status and which words: request by request."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from unit.services.scheduler.api.api_lab import Api, run

NOT_JSON = b'{"id": '

CASES: list[tuple[str, str, Any, int, Any]] = [
    ("GET", "/nowhere", None, 404, {"message": "URI not found: /nowhere"}),
    ("GET", "/v2/nowhere", None, 404, {"message": "URI not found: /v2/nowhere"}),
    ("POST", "/v2/info", {}, 405, {"message": "Method Not Allowed"}),
    ("DELETE", "/v2/apps", None, 405, {"message": "Method Not Allowed"}),
    ("GET", "/v2/apps/app/restart", None, 405, {"message": "Method Not Allowed"}),
    ("POST", "/v2/apps/app/tasks", {}, 405, {"message": "Method Not Allowed"}),
    # applications
    ("GET", "/v2/apps/none", None, 404, {"message": "App '/none' does not exist"}),
    ("GET", "/v2/apps//team/none", None, 404, {"message": "App '/team/none' does not exist"}),
    ("PATCH", "/v2/apps/none", {}, 404, {"message": "App '/none' does not exist"}),
    ("DELETE", "/v2/apps/none", None, 404, {"message": "App '/none' does not exist"}),
    ("POST", "/v2/apps/none/restart", None, 404, {"message": "App '/none' does not exist"}),
    ("GET", "/v2/apps/none/tasks", None, 404, {"message": "App '/none' does not exist"}),
    ("DELETE", "/v2/apps/none/tasks", None, 404, {"message": "App '/none' does not exist"}),
    ("GET", "/v2/apps/none/versions", None, 404, {"message": "App '/none' does not exist"}),
    ("GET", "/v2/apps/app/versions/yesterday", None, 422, {"message": 'Invalid format: "yesterday"'}),
    (
        *("PUT", "/v2/apps/app", {"version": "2001-01-01T00:00:00Z"}, 404),
        {"message": "App '/app' does not exist in version 2001-01-01T00:00:00.000Z"},
    ),
    ("POST", "/v2/apps", {"id": "app", "cmd": "x"}, 409, {"message": "An app with id [/app] already exists."}),
    ("PATCH", "/v2/apps", [{"id": "none"}], 404, {"message": "App '/none' does not exist"}),
    ("DELETE", "/v2/apps/app/tasks/none", None, 404, {"message": "Task 'none' does not exist"}),
    (
        *("DELETE", "/v2/apps/app/tasks?scale=true&wipe=true", None, 400),
        {"message": "You cannot use scale and wipe at the same time."},
    ),
    # groups
    ("GET", "/v2/groups/none", None, 404, {"message": "Group '/none' does not exist"}),
    ("GET", "/v2/groups/none/versions", None, 404, {"message": "Group '/none' does not exist"}),
    ("DELETE", "/v2/groups/none", None, 404, {"message": "Group '/none' does not exist"}),
    ("PATCH", "/v2/groups/none", {"enforceRole": True}, 404, {"message": "Group '/none' does not exist"}),
    (
        *("POST", "/v2/groups", {"id": "app"}, 409),
        {"message": "An app with the path /app already exists."},
    ),
    (
        *("POST", "/v2/groups", {"id": "/team"}, 409),
        {"message": "Group /team is already created. Use PUT to change this group."},
    ),
    (
        *("PATCH", "/v2/groups/team", {"enforceRole": "yes"}, 400),
        {"message": "Invalid JSON", "details": [{"path": "/enforceRole", "errors": ["error.expected.jsboolean"]}]},
    ),
    # tasks, deployments, queue, leader
    ("GET", "/v2/apps/none/*/tasks", None, 404, {"message": "Group '/none' does not exist"}),
    ("POST", "/v2/tasks/delete", {"ids": ["x"]}, 400, {"message": "Invalid task id 'x'."}),
    (
        *("POST", "/v2/tasks/delete", {}, 400),
        {"message": "Invalid JSON", "details": [{"path": "/ids", "errors": ["error.expected.jsarray"]}]},
    ),
    (
        *("POST", "/v2/tasks/delete?wipe=true&scale=true", {"ids": []}, 400),
        {"message": "You cannot use scale and wipe at the same time."},
    ),
    ("DELETE", "/v2/deployments/none", None, 404, {"message": "DeploymentPlan none does not exist"}),
    ("DELETE", "/v2/queue/none/delay", None, 404, {"message": "Application /none not found in tasks queue."}),
    (
        *("DELETE", "/v2/leader?backup=file:///x", None, 400),
        {"message": "'backup' is not there: back up the tree in ZooKeeper instead."},
    ),
    # not there
    ("GET", "/v2/pods", None, 404, {"message": "Pods are not supported: run the containers as applications."}),
    ("POST", "/v2/pods/x::status", {}, 404, {"message": "Pods are not supported: run the containers as applications."}),
    (
        *("GET", "/v2/eventSubscriptions", None, 404),
        {"message": "Event subscriptions by callback were removed in Marathon 1.5: use /v2/events."},
    ),
    ("GET", "/v2/schemas/app", None, 404, {"message": "The JSON schemas were removed in Marathon 1.8."}),
]
NOT_JSON_AT = [
    ("POST", "/v2/apps"),
    ("PUT", "/v2/apps"),
    ("PUT", "/v2/apps/app"),
    ("PATCH", "/v2/apps/app"),
    ("POST", "/v2/groups"),
    ("PUT", "/v2/groups/team"),
    ("PATCH", "/v2/groups/team"),
    ("POST", "/v2/tasks/delete"),
]


async def _prepared(api: Api) -> None:
    await api.app("/app")
    await api.app("/team/app")


def test_refusals() -> None:
    async def body(api: Api) -> None:
        await _prepared(api)
        wrong = []
        for method, path, document, status, expected in CASES:
            answer = await api.ask(method, path, document)
            if (answer.status, answer.json()) != (status, expected):
                wrong.append(f"{method} {path}: {answer.status} {answer.text}, expected {status} {expected}")
        assert not wrong, "\n".join(wrong)

    run(body)


def test_malformed_json() -> None:
    async def body(api: Api) -> None:
        await _prepared(api)
        for method, path in NOT_JSON_AT:
            for data in (NOT_JSON, b"", b"nonsense"):
                answer = await api.ask(method, path, data)
                assert answer.status == 400, f"{method} {path} {data!r}: {answer.text}"
                assert answer.json()["message"] == "Invalid JSON"
                assert answer.json()["details"]

    run(body)


@pytest.mark.parametrize(
    ("document", "status", "path"),
    [
        ({"id": "x", "cpus": "much"}, 400, "/cpus"),
        ({"id": "x"}, 422, None),
        ([], 400, "/"),
    ],
)
def test_definitions_are_refused_with_their_paths(document: Any, status: int, path: str | None) -> None:
    async def body(api: Api) -> None:
        answer = await api.ask("POST", "/v2/apps", document)
        assert answer.status == status, answer.text
        assert path is None or path in [detail["path"] for detail in answer.json()["details"]]
        assert await api.ask("GET", "/v2/apps/x") and api.core.root.group.all_apps() == {}

    run(body)


def test_a_locked_application() -> None:
    async def body(api: Api) -> None:
        made = await api.ask("POST", "/v2/apps", {"id": "/app", "cmd": "true"})
        deployment = made.headers["Marathon-Deployment-Id"]
        answer = await api.ask("PUT", "/v2/apps/app", {"instances": 2})
        assert answer.status == 409
        assert answer.json()["deployments"] == [{"id": deployment}]
        assert answer.json()["message"].startswith("App is locked by one or more deployments. Override with the option")
        assert (await api.ask("PUT", "/v2/apps/app?force=TRUE", {"instances": 2})).status == 200

    run(body)


def test_too_many_deployments() -> None:
    async def body(api: Api) -> None:
        assert (await api.ask("POST", "/v2/apps", {"id": "/one", "cmd": "true"})).status == 201
        answer = await api.ask("POST", "/v2/apps", {"id": "/two", "cmd": "true"})
        assert answer.status == 403
        assert answer.json()["message"].startswith("Max number (1) of running deployments is achieved.")

    run(body, max_running_deployments=1)


def test_a_change_that_cannot_be_stored() -> None:
    async def body(api: Api) -> None:
        api.store.broken = True
        answer = await api.ask("POST", "/v2/apps", {"id": "/one", "cmd": "true"})
        assert answer.status == 500
        assert (await api.ask("GET", "/v2/apps")).json() == {"apps": []}

    run(body)


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def test_only_with_the_password() -> None:
    async def body(api: Api) -> None:
        right = _basic("operator:right")
        for given in ("", "Basic", "Basic %%%", "Bearer x", _basic("operator:wrong"), _basic("nobody:"), _basic(":")):
            answer = await api.ask("GET", "/v2/apps", headers={"Authorization": given})
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="Mesosphere"'
        assert (await api.ask("GET", "/v2/apps", headers={"Authorization": right})).status == 200
        bearer = right.replace("Basic", "Bearer")
        assert (await api.ask("GET", "/v2/apps", headers={"Authorization": bearer})).status == 401
        assert (await api.ask("GET", "/ping")).text == "pong"

    run(body, logins={"operator": "right"})


def test_nobody_leads() -> None:
    async def body(api: Api) -> None:
        answer = await api.ask("GET", "/v2/apps")
        assert (answer.status, answer.json()) == (503, {"message": "Could not determine the current leader"})
        assert (await api.ask("GET", "/ping")).status == 200

    run(body, leading=False)


def test_the_leader_is_not_there() -> None:
    async def body(api: Api) -> None:
        api.context.leadership.leader = "127.0.0.1:1"  # type: ignore[misc]
        answer = await api.ask("GET", "/v2/apps")
        assert (answer.status, answer.json()) == (502, {"message": "Connection to leader refused."})

    run(body, leading=False)
