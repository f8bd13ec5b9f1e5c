"""Marathon's REST API: applications, and the stream of events. Tries the endpoints in turn."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from services.router.marathon.sse import Event, EventTooLongError, Parser

EMBED = "embed=app.tasks&embed=app.deployments&embed=app.readiness"
REQUEST_SECONDS = 20.0
CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 60.0  # Marathon sends an empty line now and then; a stream that says nothing is dead


class MarathonError(Exception):
    """No endpoint gave a usable answer; says what each one did."""


class MarathonClient:
    """Use as an async context manager. The endpoint that answered last is asked first."""

    def __init__(
        self,
        endpoints: tuple[str, ...],
        *,
        user: str | None = None,
        password: Callable[[], str | None] = lambda: None,
        ca_file: str | None = None,
    ) -> None:
        self._endpoints = [endpoint.rstrip("/") for endpoint in endpoints]
        self._user = user
        self._password = password
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._session: aiohttp.ClientSession | None = None

    @property
    def endpoint(self) -> str:
        """The one that is asked first."""
        return self._endpoints[0]

    async def __aenter__(self) -> MarathonClient:
        self._session = aiohttp.ClientSession(json_serialize=lambda value: orjson.dumps(value).decode())
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def apps(self) -> list[Any]:
        """The documents of all applications. Raises MarathonError."""
        document = await self._get(f"/v2/apps?{EMBED}")
        if not isinstance(document, dict) or not isinstance(document.get("apps"), list):
            raise MarathonError(f"{self.endpoint}: /v2/apps is no list of applications")
        apps: list[Any] = document["apps"]
        return apps

    async def app(self, identity: str) -> Any | None:
        """The document of one application; None when there is none. Raises MarathonError."""
        document = await self._get(f"/v2/apps/{quote(identity.lstrip('/'))}?{EMBED}")
        return None if document is None else document.get("app")

    async def events(self) -> AsyncIterator[Event]:
        """Events until the stream ends. Raises MarathonError."""
        problems = []
        for endpoint in list(self._endpoints):
            try:
                async with self._request(endpoint, "/v2/events?plan-format=light", stream=True) as response:
                    if response.status != 200:
                        problems.append(f"{endpoint}: HTTP {response.status}")
                        continue
                    self._prefer(endpoint)
                    parser = Parser()
                    yield Event("connected", "")
                    async for received in response.content.iter_any():
                        for event in parser.feed(received):
                            yield event
                    return
            except (aiohttp.ClientError, OSError, TimeoutError, EventTooLongError) as error:
                problems.append(f"{endpoint}: {_words(error)}")
        raise MarathonError("; ".join(problems))

    async def _get(self, path: str) -> Any:
        """The decoded answer; None for 404."""
        problems = []
        for endpoint in list(self._endpoints):
            try:
                async with self._request(endpoint, path) as response:
                    body = await response.read()
                    if response.status == 404 and path.startswith("/v2/apps/"):
                        return None
                    if response.status != 200:
                        problems.append(f"{endpoint}: HTTP {response.status}")
                        continue
                    document = (
                        orjson.loads(body) if len(body) < 200_000 else await asyncio.to_thread(orjson.loads, body)
                    )
                    self._prefer(endpoint)
                    return document
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                problems.append(f"{endpoint}: {_words(error)}")
        raise MarathonError("; ".join(problems))

    @asynccontextmanager
    async def _request(
        self, endpoint: str, path: str, *, stream: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise MarathonError("the client is not open")
        timeout = aiohttp.ClientTimeout(
            total=None if stream else REQUEST_SECONDS,
            sock_connect=CONNECT_SECONDS,
            sock_read=SILENCE_SECONDS if stream else None,
        )
        headers = {"Accept": "text/event-stream" if stream else "application/json"}
        if self._user:
            login = f"{self._user}:{self._password() or ''}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        async with self._session.get(endpoint + path, timeout=timeout, headers=headers, ssl=self._tls) as response:
            yield response

    def _prefer(self, endpoint: str) -> None:
        self._endpoints.remove(endpoint)
        self._endpoints.insert(0, endpoint)


def _words(error: BaseException) -> str:
    """What a person reads: aiohttp's text of a failed connection shows its TLS settings as an object."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is refused: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number) if number and number > 0 else str(error.os_error)  # a resolver's are negative
    return str(error) or type(error).__name__
