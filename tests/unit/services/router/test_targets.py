"""Addresses of tasks: resolved, and tried when nobody checks their health."""

from __future__ import annotations

import asyncio

from services.router import targets
from services.router.haproxy.model import Server
from services.router.marathon import view


def app(host, port, checks=True):
    document = {
        "id": "/a",
        "tasks": [{"id": "t", "host": host, "ports": [port], "healthCheckResults": [{"alive": True}]}],
    }
    return view.app(view.trimmed({**document, "healthChecks": [{}] if checks else []}))


def round_of(known, one):
    known.begin()
    found = known.servers(one, 0)
    known.end()
    return found


def play(scenario, admitted=()):
    async def run():
        changed = asyncio.Event()
        known = targets.Targets(changed.set, admitted)
        try:
            await scenario(known, changed)
        finally:
            await known.close()

    asyncio.run(run())


def test_addresses_are_used_as_they_are():
    async def scenario(known, changed):
        assert round_of(known, app("10.0.0.1", 80)) == (Server("t", "10.0.0.1", 80),)
        assert round_of(known, app("10.0.0.1", 0)) == ()

    play(scenario)


def test_names_are_resolved_once_they_are_asked_for():
    async def scenario(known, changed):
        assert round_of(known, app("localhost", 80)) == ()
        assert list(known.problems) == ["localhost"]
        await asyncio.wait_for(changed.wait(), 5)
        assert round_of(known, app("localhost", 80)) == (Server("t", "127.0.0.1", 80),)
        assert known.problems == {}

    play(scenario)


def test_a_task_without_health_checks_serves_when_it_accepts_connections():
    async def scenario(known, changed):
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        one = app("127.0.0.1", port, checks=False)
        assert round_of(known, one) == ()
        await asyncio.wait_for(changed.wait(), 5)
        assert round_of(known, one) == (Server("t", "127.0.0.1", port),)
        server.close()
        assert round_of(known, one) == (Server("t", "127.0.0.1", port),)
        round_of(known, app("10.0.0.1", 1))  # it is gone, and tried again when it comes back
        assert round_of(known, one) == ()

    play(scenario)


def test_what_served_before_the_restart_serves_on():
    async def scenario(known, changed):
        assert round_of(known, app("127.0.0.1", 1, checks=False)) == (Server("t", "127.0.0.1", 1),)

    play(scenario, [Server("t", "127.0.0.1", 1)])
