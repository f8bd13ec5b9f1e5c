"""What the exporter hands on of other programs, and what it says of those that do not answer."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from services.exporter.server import application
from services.exporter.settings import Endpoint, Settings

LOGIN = base64.b64encode(b"prometheus:secret").decode()


def test_a_program_that_does_not_answer_is_told_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    login = tmp_path / "login"
    login.write_text("prometheus:secret")
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        gone = Endpoint(f"http://127.0.0.1:{nobody.getsockname()[1]}/metrics")
        settings = Settings("127.0.0.1:0", "", "", str(login), relays={"elasticsearch": gone})

        async def ask() -> tuple[int, str]:
            async with TestClient(TestServer(application(settings))) as client:
                answer = await client.get("/elasticsearch", headers={"Authorization": f"Basic {LOGIN}"})
                return answer.status, await answer.text()

        with caplog.at_level(logging.WARNING):
            status, text = asyncio.run(ask())
    assert status == 502
    assert "Cannot connect" in text
    assert caplog.messages == [f"/elasticsearch: {text.strip()}"]
