from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from services.scheduler.definitions.app import App, Container, Network, PortDefinition, PortMapping, ReadinessCheck
from services.scheduler.deployments.readiness import ReadinessChecker, address
from services.scheduler.instances.instance import Condition, Instance

V1 = "2026-01-01T00:00:00.000Z"


def app(**fields: Any) -> App:
    return App(id="/a", version=V1, last_scaling_at=V1, last_config_change_at=V1, **fields)


def instance(*host_ports: int, ips: tuple[str, ...] = (), name: str = "a.instance-1") -> Instance:
    return Instance(
        id=name,
        app_id="/a",
        version=V1,
        role="*",
        agent_id="s1",
        hostname="127.0.0.1",
        attributes={},
        region=None,
        zone=None,
        host_ports=host_ports,
        staged_at=V1,
        condition=Condition.RUNNING,
        ip_addresses=ips,
    )


def bridge(*mappings: PortMapping) -> App:
    return app(container=Container(port_mappings=mappings), networks=(Network("container/bridge"),))


HOST = app(port_definitions=(PortDefinition(name="admin"), PortDefinition(name="http")))
ADDRESSES = {
    "host": (HOST, instance(31000, 31001), ("127.0.0.1", 31001)),
    "no such port": (app(port_definitions=(PortDefinition(name="other"),)), instance(31000), None),
    "mapped": (bridge(PortMapping(80, 0, name="http")), instance(31000), ("127.0.0.1", 31000)),
    "the second of those that are mapped": (
        bridge(PortMapping(81, None, name="x"), PortMapping(82, 0, name="y"), PortMapping(80, 0, name="http")),
        instance(31000, 31001),
        ("127.0.0.1", 31001),
    ),
    "not mapped": (bridge(PortMapping(80, None, name="http")), instance(ips=("10.0.0.7",)), ("10.0.0.7", 80)),
    "not mapped, no address yet": (bridge(PortMapping(80, None, name="http")), instance(), None),
    "mapping of another name": (bridge(PortMapping(80, 0, name="x")), instance(31000), None),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_address(name: str) -> None:
    definition, of, expected = ADDRESSES[name]
    assert address(definition, of, "http") == expected


def serve(handler: Callable[[web.Request], Awaitable[web.Response]], play: Callable[[int], Awaitable[None]]) -> None:
    async def run() -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            async with asyncio.timeout(10):
                await play(runner.addresses[0][1])
        finally:
            await runner.cleanup()

    asyncio.run(run())


def checked(**fields: Any) -> App:
    check = ReadinessCheck(port_name="http", interval_seconds=0, timeout_seconds=1, **fields)
    return app(port_definitions=(PortDefinition(name="http"),), readiness_checks=(check,))


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_ready_once_it_answers_as_wanted() -> None:
    answers = [500, 404, 204, 500]
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(status=answers[len(asked) - 1])

    async def play(port: int) -> None:
        ready: list[Instance] = []
        checker = ReadinessChecker(ready.append)
        one = instance(port)
        checker.watch(checked(path="/ready?deep=1", http_status_codes_for_ready=(200, 204)), one)
        checker.watch(checked(path="/other"), one)  # goes on already
        await until(lambda: ready)
        assert ready == [one]
        assert asked == ["/ready?deep=1"] * 3
        (result,) = checker.results("/a")
        assert result.document() == {"name": "readinessCheck", "taskId": one.task_id, "ready": True}
        await checker.close()

    serve(handler, play)


def test_all_of_several_checks() -> None:
    late = [False]

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.path == "/early" or late[0] else 503, text="slow")

    async def play(port: int) -> None:
        ready: list[Instance] = []
        checker = ReadinessChecker(ready.append)
        checks = tuple(
            ReadinessCheck(
                name=name, path=f"/{name}", port_name="http", interval_seconds=0, preserve_last_response=True
            )
            for name in ("early", "late")
        )
        checker.watch(app(port_definitions=(PortDefinition(name="http"),), readiness_checks=checks), instance(port))
        await until(lambda: [result.ready for result in checker.results("/a")] == [True, False])
        await until(lambda: checker.results("/a")[1].last_response)
        assert checker.results("/a")[1].last_response == {"status": 503, "contentType": "text/plain", "body": "slow"}
        assert ready == []
        late[0] = True
        await until(lambda: ready)
        await checker.close()

    serve(handler, play)


def test_silence_and_refused_connections_are_not_ready() -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async def play(port: int) -> None:
        ready: list[Instance] = []
        checker = ReadinessChecker(ready.append)
        slow, gone = instance(port), instance(1, name="a.instance-2")
        definition = checked()
        for each in (slow, gone):
            checker.watch(definition, each)
        await asyncio.sleep(0.1)
        assert [result.ready for result in checker.results("/a")] == [False, False]
        checker.keep("/a", {gone.id})
        assert [result.task_id for result in checker.results("/a")] == [gone.task_id]
        checker.keep("/b", ())
        assert len(checker.results("/a")) == 1
        await checker.close()
        assert checker.results("/a") == []
        assert ready == []

    serve(handler, play)
