"""Who may use the API: Basic authentication against the logins of the credentials file."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping

from aiohttp import hdrs, web

from services.scheduler.api.answers import Refusal

OPEN = frozenset({"/ping"})  # says nothing but that we are there


def check(request: web.Request, logins: Mapping[str, str], realm: str) -> None:
    """Raises Refusal (401). Without logins everybody may."""
    if not logins or request.path in OPEN:
        return
    kind, _, encoded = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    try:
        user, _, given = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise _unauthorized(realm) from None
    password = logins.get(user)
    # An unknown user takes as long as a wrong password.
    same = hmac.compare_digest((password or "").encode(), given.encode())
    if kind.lower() != "basic" or password is None or not same:
        raise _unauthorized(realm)


def _unauthorized(realm: str) -> Refusal:
    refusal = Refusal(401, "Invalid username or password.")
    refusal.headers[hdrs.WWW_AUTHENTICATE] = f'Basic realm="{realm}"'
    return refusal
