"""Basic authentication from a file of `user:password` lines."""

from __future__ import annotations

import base64
import binascii
import hmac
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from services.router.settings import SettingsError

OPEN = frozenset({"/status", "/metrics"})


def load(path: str) -> frozenset[bytes]:
    """The logins, as they stand behind "Basic". Raises SettingsError."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    logins = frozenset(line.strip().encode() for line in lines if line.strip())
    if not logins or not all(b":" in login for login in logins):
        raise SettingsError(f"{path}: lines of user:password")
    return logins


def middleware(logins: frozenset[bytes]) -> Middleware:
    """Lets through who has a login, and everyone to OPEN."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in OPEN or _given(request.headers.get("Authorization", ""), logins):
            return await handler(request)
        return web.Response(
            status=401, text="not authenticated", headers={"WWW-Authenticate": 'Basic realm="utopia-router"'}
        )

    return check


def _given(header: str, logins: frozenset[bytes]) -> bool:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        login = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return sum(hmac.compare_digest(login, known) for known in logins) > 0  # all of them: time tells nothing
