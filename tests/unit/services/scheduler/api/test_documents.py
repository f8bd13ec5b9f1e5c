"""Documents of a scheduler that leads: what is shown of applications, tasks and groups, and what queries select."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unit.services.scheduler.api.api_lab import Api, run

from services.scheduler.instances.instance import Condition


def test_an_application_with_everything() -> None:
    async def body(api: Api) -> None:
        await api.app(instances=2, healthChecks=[{"protocol": "TCP", "portIndex": 0}], portDefinitions=[{"port": 0}])
        api.running(healthy=True, health_since="2026-01-01T00:00:00.000Z", ip_addresses=("10.0.0.1", "fe80::1"))
        api.running(condition=Condition.KILLING, zone="z1", region="r1")
        api.running(condition=Condition.FAILED)
        embeds = "&".join(f"embed=app.{name}" for name in ("readiness", "taskStats"))
        app = (await api.ask("GET", f"/v2/apps/app?{embeds}")).json()["app"]
        assert (app["tasksRunning"], app["tasksHealthy"], app["tasksStaged"], app["tasksUnhealthy"]) == (1, 1, 0, 0)
        assert app["deployments"] == []
        assert app["readinessCheckResults"] == []
        assert app["taskStats"]["totalSummary"]["stats"]["counts"]["running"] == 1
        first, second = app["tasks"]
        assert first["state"] == "TASK_RUNNING"
        assert first["servicePorts"] == [10000]
        assert first["ipAddresses"] == [
            {"ipAddress": "10.0.0.1", "protocol": "IPv4"},
            {"ipAddress": "fe80::1", "protocol": "IPv6"},
        ]
        assert first["healthCheckResults"][0]["alive"] is True
        assert (second["state"], second["zone"], second["region"]) == ("TASK_KILLING", "z1", "r1")
        assert "healthCheckResults" not in second

    run(body)


def test_a_task_is_shown_as_it_is_now() -> None:
    async def body(api: Api) -> None:
        await api.app()
        instance = api.running(condition=Condition.STAGING, mesos_state="TASK_STAGING")
        states = []
        for changes in (
            {},
            {"condition": Condition.RUNNING, "mesos_state": "TASK_RUNNING"},
            {"condition": Condition.KILLING},
        ):
            api.core.registry.update(instance, **changes)
            tasks = (await api.ask("GET", "/v2/apps/app/tasks")).json()["tasks"]
            states.append(tasks[0]["state"])
        assert states == ["TASK_STAGING", "TASK_RUNNING", "TASK_KILLING"]

    run(body)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["/a/web", "/b/db"]),
        ("id=WEB", ["/a/web"]),
        ("cmd=Start", ["/b/db"]),
        ("label=tier==front", ["/a/web"]),
        ("label=tier!=front", ["/b/db"]),
        ("id=web&cmd=start", []),
        ("embed=nonsense", ["/a/web", "/b/db"]),
    ],
)
def test_applications_selected(query: str, found: list[str]) -> None:
    async def body(api: Api) -> None:
        await api.app("/a/web", cmd="run", labels={"tier": "front"})
        await api.app("/b/db", cmd="start", labels={"tier": "back"})
        apps = (await api.ask("GET", f"/v2/apps?{query}")).json()["apps"]
        assert sorted(app["id"] for app in apps) == found
        assert all("tasks" not in app and "tasksRunning" in app for app in apps)

    run(body)


def test_a_bad_selector() -> None:
    async def body(api: Api) -> None:
        answer = await api.ask("GET", "/v2/apps?label=a%20in%20(")
        assert answer.status == 400 or answer.status == 422

    run(body)


def test_put_makes_and_changes() -> None:
    async def body(api: Api) -> None:
        made = await api.ask("PUT", "/v2/apps/team/app", {"cmd": "true", "cpus": 2, "labels": {"a": "b"}})
        assert (made.status, made.headers["Location"]) == (201, "/v2/apps/team/app")
        await api.unlock()
        await api.ask("PUT", "/v2/apps/team/app", {"cpus": 3})
        app = api.core.root.app("/team/app")
        assert app is not None
        assert (app.cpus, app.labels) == (3, {"a": "b"})
        await api.unlock()
        await api.ask("PUT", "/v2/apps/team/app?partialUpdate=false", {"cmd": "false"})
        app = api.core.root.app("/team/app")
        assert app is not None
        assert (app.cpus, app.labels, app.cmd) == (1, {}, "false")

    run(body)


def test_several_at_once() -> None:
    async def body(api: Api) -> None:
        await api.app("/one")
        answer = await api.ask("PUT", "/v2/apps", [{"id": "one", "instances": 3}, {"id": "/two", "cmd": "true"}])
        assert answer.status == 200
        assert set(answer.json()) == {"version", "deploymentId"}
        assert {app.id: app.instances for app in api.core.root.group.all_apps().values()} == {"/one": 3, "/two": 1}

    run(body)


def test_service_ports_of_several_at_once() -> None:
    async def body(api: Api) -> None:
        wanted = [
            {"id": f"/app-{n}", "cmd": "true", "portDefinitions": [{"port": p}]} for n, p in enumerate((0, 0, 10000))
        ]
        answer = await api.ask("PUT", "/v2/apps", wanted)
        assert answer.status == 200, answer.text
        ports = [app.service_ports for app in api.core.root.group.all_apps().values()]
        assert ports == [(10001,), (10002,), (10000,)], "one that is asked for is not given to another"

    run(body)


def test_too_many_at_once() -> None:
    async def body(api: Api) -> None:
        answer = await api.ask("PUT", "/v2/apps", [{"id": f"/app-{n}", "cmd": "true"} for n in range(3)])
        assert answer.status == 403, answer.text
        assert not api.core.root.group.all_apps()

    run(body, max_apps=2)


def test_service_ports_are_given_and_kept() -> None:
    async def body(api: Api) -> None:
        for number in range(3):
            await api.app(f"/app-{number}", portDefinitions=[{"port": 0}])
        ports = [app.service_ports for app in api.core.root.group.all_apps().values()]
        assert ports == [(10000,), (10001,), (10002,)]
        await api.ask("PUT", "/v2/apps/app-1", {"cmd": "false", "portDefinitions": [{"port": 0}]})
        assert api.core.root.group.all_apps()["/app-1"].service_ports == (10001,)
        full = await api.ask("POST", "/v2/apps", {"id": "/last", "cmd": "true", "portDefinitions": [{"port": 0}]})
        assert full.status == 422

    run(body, local_port_min=10000, local_port_max=10002)


def test_killing() -> None:
    async def body(api: Api) -> None:
        await api.app(instances=3)
        one, two = api.running(hostname="agent-1"), api.running(hostname="agent-2")
        killed = (await api.ask("DELETE", "/v2/apps/app/tasks?host=agent-2")).json()
        assert [task["id"] for task in killed["tasks"]] == [two.task_id]
        assert (one.condition, two.condition) == (Condition.RUNNING, Condition.KILLING)
        scaled = await api.ask(
            "POST", "/v2/tasks/delete?scale=true", {"ids": [one.task_id, "app.instance-" + "0" * 8 + "-" + "0" * 27]}
        )
        assert scaled.status == 200, scaled.text
        app = api.core.root.app("/app")
        assert app is not None
        assert app.instances == 2

    run(body)


def test_a_dry_run_changes_nothing() -> None:
    async def body(api: Api) -> None:
        document = {"id": "/team", "apps": [{"id": "a", "cmd": "true"}]}
        answer = await api.ask("PUT", "/v2/groups?dryRun=true", document)
        assert answer.json()["steps"][0] == {"actions": [{"action": "StartApplication", "app": "/team/a"}]}
        assert api.core.root.group.all_apps() == {}

    run(body)


def test_a_group_goes_back() -> None:
    async def body(api: Api) -> None:
        await api.ask(
            "POST", "/v2/groups", {"id": "/team", "apps": [{"id": "a", "cmd": "true"}, {"id": "b", "cmd": "true"}]}
        )
        await api.unlock()
        before = (await api.ask("GET", "/v2/groups/team/versions")).json()[0]
        await api.ask("PUT", "/v2/groups/team", {"apps": [{"id": "a", "cmd": "false"}]})
        await api.unlock()
        answer = await api.ask("PUT", "/v2/groups/team", {"version": before})
        assert answer.status == 200, answer.text
        apps = api.core.root.group.all_apps()
        assert {app.id: app.cmd for app in apps.values()} == {"/team/a": "true", "/team/b": "true"}

    async def shown(api: Api) -> None:
        await api.ask(
            "POST", "/v2/groups", {"id": "/team", "apps": [{"id": "a", "cmd": "true"}], "groups": [{"id": "in"}]}
        )
        root = (await api.ask("GET", "/v2/groups")).json()
        assert [each["id"] for each in root["groups"]] == ["/team"]
        only = (await api.ask("GET", "/v2/groups/team?embed=group.groups")).json()
        assert "apps" not in only
        tasks = (await api.ask("GET", "/v2/groups/team?embed=group.apps&embed=group.apps.tasks")).json()
        assert tasks["apps"][0]["tasks"] == []
        assert [each["id"] for each in (await api.ask("GET", "/v2/groups/team/apps")).json()] == ["/team/a"]

    run(body)
    run(shown)


def test_headers() -> None:
    async def body(api: Api) -> None:
        answer = await api.ask("GET", "/v2/apps", headers={"Origin": "http://ui"})
        assert answer.headers["X-Marathon-Leader"] == api.url
        assert answer.headers["Cache-Control"].startswith("no-cache")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        options = await api.ask("OPTIONS", "/v2/apps/app")
        assert options.headers["Allow"] == "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
        head = await api.ask("HEAD", "/v2/info")
        assert (head.status, head.text) == (200, "")

    run(body, access_control_allow_origin=("*",))


def test_abdication() -> None:
    async def body(api: Api) -> None:
        answer = await api.ask("DELETE", "/v2/leader")
        assert answer.json() == {"message": "Leadership abdicated"}
        assert api.abdicated

    run(body)


async def _lines(response: Any, number: int) -> list[str]:
    return [(await asyncio.wait_for(response.content.readline(), 5)).decode().rstrip() for _ in range(number)]


def test_events() -> None:
    async def body(api: Api) -> None:
        async with api.session.get(
            api.url + "/v2/events?event_type=api_post_event&event_type=event_stream_attached"
        ) as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            lines = await _lines(stream, 3)
            assert lines[0] == "event: event_stream_attached"
            assert lines[1].startswith(
                'data: {"remoteAddress":"127.0.0.1","eventType":"event_stream_attached","timestamp":"'
            )
            assert lines[2] == ""
            await api.app()
            assert (await _lines(stream, 1))[0] == "event: api_post_event"
            assert api.core.bus.subscribers == 1
        await api.app("/other")  # the stream notices that its client is gone
        for _ in range(100):
            if not api.core.bus.subscribers:
                break
            api.core.bus.publish("api_post_event")
            await asyncio.sleep(0.05)
        assert api.core.bus.subscribers == 0

    run(body)


def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.scheduler.api.events.KEEP_ALIVE", 0.05)

    async def body(api: Api) -> None:
        async with api.session.get(api.url + "/v2/events?event_type=never") as stream:
            assert await _lines(stream, 3) == ["", "", ""]

    run(body)


def test_a_slow_reader_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.scheduler.api.events.WRITE_SECONDS", 0.2)

    async def body(api: Api) -> None:
        async with api.session.get(api.url + "/v2/events"):
            for _ in range(300):
                api.core.bus.publish("api_post_event", uri="x" * 100_000)
            for _ in range(100):
                if not api.core.bus.subscribers:
                    break
                await asyncio.sleep(0.05)
            assert api.core.bus.subscribers == 0
            dropped = api.context.metrics.counter("marathon.http.event-streams.dropped.counter")
            assert dropped.count == 1

    run(body)
