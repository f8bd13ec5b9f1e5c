"""/v2/events: what a client reads after it has the headers and what the stream tells have no gap between them."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from unit.services.scheduler.api.api_lab import Api, run


def test_what_happens_while_the_headers_are_sent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(api: Api) -> None:
        prepare = web.StreamResponse.prepare

        async def prepare_and_change(response: web.StreamResponse, request: web.BaseRequest) -> Any:
            sent = await prepare(response, request)
            api.core.bus.publish("status_update_event", appId="/in-between")
            return sent

        monkeypatch.setattr(web.StreamResponse, "prepare", prepare_and_change)
        async with api.session.get(api.url + "/v2/events?event_type=status_update_event") as response:
            assert (await response.content.readline()).strip() == b"event: status_update_event"
            assert b"/in-between" in await response.content.readline()

    run(body)
