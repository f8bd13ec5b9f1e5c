"""Several endpoints, a login, answers that are none: against real HTTP servers."""

from __future__ import annotations

import asyncio
import base64

import pytest
from aiohttp import web

from services.router.marathon.client import MarathonClient, MarathonError

APPS = {"apps": [{"id": "/a"}]}


class Server:
    """A Marathon of which `status` and `document` are what it answers; notes what it was asked."""

    def __init__(self, document=None, status=200, login=None):
        self.document, self.status, self.login, self.asked = document, status, login, []

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error):
        await self.runner.cleanup()

    async def _answer(self, request):
        self.asked.append(request.path_qs)
        if self.login and request.headers.get("Authorization") != f"Basic {base64.b64encode(self.login).decode()}":
            return web.Response(status=401)
        if request.path == "/v2/events" and self.status == 200:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"event: one\ndata: {}\n\nevent: two\ndata: {}\n\n")
            return response
        if isinstance(self.document, str):
            return web.Response(status=self.status, text=self.document)
        return web.json_response(self.document, status=self.status)


def play(scenario, *servers, **more):
    async def run():
        async with contexts(servers) as urls, MarathonClient((*more.pop("before", ()), *urls), **more) as client:
            await scenario(client)

    asyncio.run(run())


class contexts:  # noqa: N801 - used like a function
    def __init__(self, servers):
        self.servers = servers

    async def __aenter__(self):
        return [(await server.__aenter__()).url for server in self.servers]

    async def __aexit__(self, *error):
        for server in self.servers:
            await server.__aexit__(*error)


def test_the_endpoint_that_answers_is_asked_first_from_then_on():
    bad, good = Server("no", 503), Server(APPS)

    async def scenario(client):
        assert await client.apps() == APPS["apps"]
        assert await client.apps() == APPS["apps"]
        assert client.endpoint == good.url

    play(scenario, bad, good, before=("http://127.0.0.1:1",))
    assert (len(bad.asked), len(good.asked)) == (1, 2)
    assert good.asked[0] == "/v2/apps?embed=app.tasks&embed=app.deployments&embed=app.readiness"


def test_login():
    server = Server(APPS, login=b"user:pass:word")

    async def good(client):
        assert await client.apps() == APPS["apps"]

    async def bad(client):
        with pytest.raises(MarathonError, match="HTTP 401"):
            await client.apps()

    play(good, server, user="user", password=lambda: "pass:word")
    play(bad, server, user="user", password=lambda: "other")
    play(bad, server)


@pytest.mark.parametrize(
    ("document", "status", "message"),
    [("no json", 200, "line 1"), ([], 200, "no list"), ({"apps": 1}, 200, "no list"), ("x", 500, "HTTP 500")],
)
def test_answers_that_are_none(document, status, message):
    async def scenario(client):
        with pytest.raises(MarathonError, match=message):
            await client.apps()

    play(scenario, Server(document, status))


def test_one_application():
    async def there(client):
        assert await client.app("/team/a b") == {"id": "/team/a b"}

    async def gone(client):
        assert await client.app("/a") is None

    server = Server({"app": {"id": "/team/a b"}})
    play(there, server)
    assert server.asked[0].startswith("/v2/apps/team/a%20b?embed=")
    play(gone, Server({"message": "no"}, 404))


def test_events():
    async def scenario(client):
        assert [event.name async for event in client.events()] == ["connected", "one", "two"]

    async def failing(client):
        with pytest.raises(MarathonError, match="HTTP 503"):
            [event async for event in client.events()]

    play(scenario, Server("no", 503), Server())
    play(failing, Server("no", 503))


def test_a_refused_connection_is_told_in_words():
    async def scenario(client):
        with pytest.raises(MarathonError) as caught:
            await client.apps()
        assert str(caught.value) == "http://127.0.0.1:1: Connection refused"

    play(scenario, before=("http://127.0.0.1:1",))
