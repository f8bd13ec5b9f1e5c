"""Services are started once, and again when their files are others."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bootstrap import units


@pytest.fixture
def systemctl(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "calls"
    log.touch()
    (folder / "systemctl").write_text(
        f'#!/bin/sh\necho "$*" >>{log}\n[ "$1" = is-active ] && {{ [ -e {tmp_path}/active ]; exit; }}\n'
        f'[ "$1" = restart ] && touch {tmp_path}/active\nexit 0\n'
    )
    (folder / "systemctl").chmod(0o755)
    return log, {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def ensure(tmp_path: Path, environment: dict[str, str], services: Mapping[str, str]) -> tuple[str, ...]:
    script = units.ensure(services).replace("/run/utopia", f"{tmp_path}/run")
    done = subprocess.run(["sh", "-euc", script], env=environment, capture_output=True, text=True, check=True)
    return units.started_of(done.stdout)


def test_a_service_is_started_once_and_again_for_other_files_or_when_it_is_down(tmp_path: Path, systemctl: Any) -> None:
    log, environment = systemctl
    assert ensure(tmp_path, environment, {"salt-minion": "h1"}) == ("salt-minion",)
    assert "enable --quiet salt-minion" in log.read_text()
    assert ensure(tmp_path, environment, {"salt-minion": "h1"}) == ()
    assert ensure(tmp_path, environment, {"salt-minion": "h2"}) == ("salt-minion",)
    (tmp_path / "active").unlink()
    assert ensure(tmp_path, environment, {"salt-minion": "h2"}) == ("salt-minion",)


def test_only_the_service_whose_files_changed(tmp_path: Path, systemctl: Any) -> None:
    log, environment = systemctl
    assert ensure(tmp_path, environment, {"salt-master": "m", "salt-api": "a"}) == ("salt-master", "salt-api")
    log.write_text("")
    assert ensure(tmp_path, environment, {"salt-master": "m", "salt-api": "b"}) == ("salt-api",)
    assert "restart salt-api" in log.read_text()
    assert "restart salt-master" not in log.read_text()
