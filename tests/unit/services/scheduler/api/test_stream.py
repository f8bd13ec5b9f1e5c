"""Long answers are sent in pieces, between which the loop is free; what has not changed is not made again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from unit.services.scheduler.api.api_lab import Api, run

from services.scheduler.api import stream
from services.scheduler.api.fragments import Fragments
from services.scheduler.definitions import parse
from services.scheduler.definitions.group import Group
from services.scheduler.instances.instance import Condition

APPS = 200


def _many(root: Group, version: str) -> Group:
    for number in range(APPS):
        app = parse.app({"id": f"/app-{number}", "cmd": "true", "labels": {"x": "y" * 500}}, version=version)
        root = root.with_app(app, version=version)
    return root


@pytest.mark.parametrize("path", ["/v2/apps?embed=apps.tasks", "/v2/groups", "/v2/tasks", "/v2/queue"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_loop_is_free_in_between(path: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("stream", "groups"):
        monkeypatch.setattr(f"services.scheduler.api.{module}.SLICE", 0.0)

    async def body(api: Api) -> None:
        await api.core.deployments.deploy(_many)
        while len(api.core.queue.items()) < APPS:  # the deployment wants an instance of each
            await asyncio.sleep(0.01)
        for app in api.core.root.group.all_apps().values():
            api.running(app.id)
        turns = 0
        made_at: set[int] = set()  # the turns of the loop in which something was made
        for name in ("app", "task"):
            make = getattr(Fragments, name)

            def noted(*arguments: Any, make: Any = make) -> Any:
                made_at.add(turns)
                return make(*arguments)

            monkeypatch.setattr(Fragments, name, noted)

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counter = asyncio.create_task(count())
        answer = await api.ask("GET", path, headers={"Accept-Encoding": encoding})
        counter.cancel()
        assert answer.status == 200
        (items,) = [value for value in answer.json().values() if isinstance(value, list) and len(value) == APPS]
        assert len(items) == APPS
        assert len(made_at) >= APPS

    run(body)


def test_a_short_answer_has_its_length() -> None:
    async def body(api: Api) -> None:
        await api.app()
        answer = await api.ask("GET", "/v2/apps", headers={"Accept-Encoding": "identity"})
        assert int(answer.headers["Content-Length"]) == len(answer.text) < stream.PIECE

    run(body)


def test_fragments_are_kept_until_something_changes() -> None:
    async def body(api: Api) -> None:
        await api.app()
        instance = api.running()
        app = api.core.root.app("/app")
        assert app is not None
        fragments = api.context.fragments
        first = fragments.task(instance, app.service_ports)
        assert fragments.task(instance, app.service_ports) is first
        api.core.registry.update(instance, condition=Condition.KILLING)
        assert b"TASK_KILLING" in fragments.task(instance, app.service_ports)
        definition = fragments.app(app, ())
        await api.ask("PUT", "/v2/apps/app", {"cpus": 2})
        changed = api.core.root.app("/app")
        assert changed is not None
        assert fragments.app(changed, ()) != definition

    run(body)


def test_a_client_that_goes_away_is_no_error(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(stream, "PIECE", 1)
    monkeypatch.setattr(stream, "SLICE", 0.0)
    caplog.set_level("DEBUG", "services.scheduler.api")

    async def body(api: Api) -> None:
        await api.core.deployments.deploy(_many)
        address = api.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(address[0], int(address[1]))
        writer.write(b"GET /v2/apps HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.read(100)
        writer.transport.abort()
        async with asyncio.timeout(5):
            while "GET /v2/apps: the client has gone away" not in caplog.messages:
                await asyncio.sleep(0.001)
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    run(body)
