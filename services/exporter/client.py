"""Asking the node's services over HTTP."""

from __future__ import annotations

import base64
import ssl
from typing import Any

import aiohttp
import orjson

from services.exporter.settings import Endpoint, secret

SECONDS = 4.0  # one question; Prometheus waits for ten


async def get(endpoint: Endpoint, path: str = "", body: Any = None) -> bytes:
    """The body of a 200 answer. Raises aiohttp.ClientError, OSError, TimeoutError."""
    headers = {}
    if endpoint.login_file:
        headers["Authorization"] = "Basic " + base64.b64encode(secret(endpoint.login_file).encode()).decode()
    context: ssl.SSLContext | bool = ssl.create_default_context(cafile=endpoint.ca) if endpoint.ca else True
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
        session.get(endpoint.url + path, headers=headers, json=body, ssl=context, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise aiohttp.ClientError(f"{endpoint.url}{path} answers {answer.status}")
        return await answer.read()


async def get_json(endpoint: Endpoint, path: str = "", body: Any = None) -> Any:
    """The same, decoded. Raises ValueError as well."""
    return orjson.loads(await get(endpoint, path, body))
