"""The API in front of a real core whose store is in memory and whose Mesos master cannot be reached."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from unit.services.scheduler.deployments.small_world import MemoryStore

from services.scheduler import core
from services.scheduler.api.context import Context
from services.scheduler.api.server import Server
from services.scheduler.core import Core
from services.scheduler.instances.instance import Condition, Instance, new_id
from services.scheduler.metrics import Metrics
from services.scheduler.settings import Settings


@dataclass
class Leadership:
    is_leader: bool = True
    leader: str | None = "127.0.0.1:8080"


@dataclass
class Answer:
    status: int
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Api:
    """One scheduler's API and a client of it. Deployments stay under way, for nothing is ever launched."""

    def __init__(self, url: str, session: aiohttp.ClientSession, context: Context, store: MemoryStore) -> None:
        self.url = url
        self.session = session
        self.context = context
        self.store = store
        self.abdicated = False

    @property
    def core(self) -> Core:
        return self.context.core

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """Bytes are sent as they are, everything else as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        options.setdefault("allow_redirects", False)
        async with self.session.request(method, self.url + path, data=data, **options) as response:
            return Answer(response.status, response.headers, await response.text())

    async def app(self, app_id: str = "/app", **fields: Any) -> None:
        """An application that nothing locks any more."""
        answer = await self.ask("POST", "/v2/apps", {"id": app_id, "cmd": "true", **fields})
        assert answer.status == 201, answer.text
        await self.unlock()

    async def unlock(self) -> None:
        """End all deployments, and leave everything as it is."""
        for deployment in self.core.deployments.all():
            await self.core.deployments.cancel(deployment.plan.id, force=True)

    def running(self, app_id: str = "/app", **fields: Any) -> Instance:
        """An instance that is there."""
        app = self.core.root.app(app_id)
        assert app is not None
        made = Instance(
            **{
                "id": new_id(app_id),
                "app_id": app_id,
                "version": app.version,
                "role": "*",
                "agent_id": "S0",
                "hostname": "agent-1",
                "attributes": {},
                "region": None,
                "zone": None,
                "host_ports": (31000,),
                "staged_at": app.version,
                "started_at": app.version,
                "condition": Condition.RUNNING,
                "mesos_state": "TASK_RUNNING",
                **fields,
            }
        )
        self.core.registry._insert(made)
        return made


@asynccontextmanager
async def serving(*, leading: bool = True, logins: dict[str, str] | None = None, **settings: Any) -> AsyncIterator[Api]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {"master": "127.0.0.1:1", "hostname": "127.0.0.1", "http_address": "127.0.0.1", "http_port": port}
    made = Settings(**{**given, **settings})
    store = MemoryStore()
    metrics = Metrics()
    leadership = Leadership(leading, made.own_address if leading else None)

    def abdicate() -> None:
        api.abdicated = True

    context = Context(made, metrics, leadership, logins=logins or {}, abdicate=abdicate)
    server = Server(context)
    await server.start()
    started = await core.start(made, store, metrics) if leading else None  # type: ignore[arg-type]
    if started is not None:
        context.lead(started)
    async with aiohttp.ClientSession() as session:
        api = Api(f"http://127.0.0.1:{port}", session, context, store)
        try:
            yield api
        finally:
            if started is not None:
                await started.stop()
            await server.stop()


def run(body: Callable[[Api], Awaitable[None]], **options: Any) -> None:
    """The test's body against an API."""

    async def whole() -> None:
        async with asyncio.timeout(30), serving(**options) as api:
            await body(api)

    asyncio.run(whole())
