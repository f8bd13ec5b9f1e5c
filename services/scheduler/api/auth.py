"""Who may use the API: Basic authentication against the logins of the credentials file."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from aiohttp import BasicAuth, hdrs, web

from services.scheduler.api.answers import Refusal

OPEN = frozenset({"/ping"})  # says nothing but that we are there


def check(request: web.Request, logins: Mapping[str, str], realm: str) -> None:
    """Raises Refusal (401). Without logins everybody may."""
    if not logins or request.path in OPEN:
        return
    try:
        given = BasicAuth.decode(request.headers.get(hdrs.AUTHORIZATION, ""), encoding="utf-8")
    except ValueError:
        raise _unauthorized(realm) from None
    password = logins.get(given.login)
    # An unknown user takes as long as a wrong password.
    same = hmac.compare_digest((password or "").encode(), given.password.encode())
    if not same or password is None:
        raise _unauthorized(realm)


def _unauthorized(realm: str) -> Refusal:
    refusal = Refusal(401, "Invalid username or password.")
    refusal.headers[hdrs.WWW_AUTHENTICATE] = f'Basic realm="{realm}"'
    return refusal
