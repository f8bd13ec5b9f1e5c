"""What the process ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.scheduler.__main__ import End, Status, main, why
from services.scheduler.mesos.client import FrameworkGoneError
from services.scheduler.settings import SettingsError
from services.scheduler.storage.connection import ConnectError, SessionLostError
from services.scheduler.storage.writer import FencedError, StorageError
from services.scheduler.storage.zookeeper import FrameworkIdMissingError


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectError(""), 100),
        (SessionLostError(""), 101),
        (FencedError(""), 103),
        (FrameworkGoneError("Framework failed over"), 103),
        (StorageError(""), 106),
        (KeyError("x"), 106),
        (FrameworkIdMissingError(""), 108),
        (FrameworkGoneError("Framework has been removed"), 110),
        (End(Status.CANNOT_BIND, ""), 111),
        (SettingsError("file", []), 112),
    ],
)
def test_status(error: Exception, status: int) -> None:
    assert why(error).status == status


def test_every_status_is_explained() -> None:
    text = (Path(__file__).parents[4] / "docs" / "scheduler.md").read_text()
    assert [status for status in Status if status and f"| {int(status)} |" not in text] == []


def test_a_wrong_setting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"master": "nowhere", "hostnam": "x"}))
    assert main(["--config", str(config)]) == 112
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"ends with status 112: {config}: master: expected")
    assert "did you mean hostname?" in line
