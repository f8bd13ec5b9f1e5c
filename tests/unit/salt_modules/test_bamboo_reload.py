"""The step between Bamboo and HAProxy: only what is valid, as a whole, and again until it is loaded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap import paths

SCRIPT = paths.SALT / "bamboo/files/bamboo-reload"


@pytest.fixture
def step(tmp_path: Path) -> Callable[[], int]:
    """Run it with its paths below a folder of ours, and programs that only note that they were called."""
    text = SCRIPT.read_text()
    for path in ("/var/lib/bamboo", "/etc/haproxy"):
        (tmp_path / path.lstrip("/")).mkdir(parents=True)
        text = text.replace(path, str(tmp_path / path.lstrip("/")))
    (tmp_path / "step").write_text(text)
    (tmp_path / "bin").mkdir()
    for name, body in {
        "haproxy": f'! grep -q broken "$4" && echo check >>{tmp_path}/calls',
        "systemctl": f"test ! -e {tmp_path}/stuck && echo reload >>{tmp_path}/calls",
    }.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    def run() -> int:
        environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        return subprocess.run(["sh", str(tmp_path / "step")], env=environment, check=False, timeout=20).returncode

    return run


def live(folder: Path) -> str:
    path = folder / "etc/haproxy/edge.cfg"
    return path.read_text() if path.exists() else ""


def stage(folder: Path, text: str) -> None:
    (folder / "var/lib/bamboo/haproxy.cfg").write_text(text)


def calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().split() if path.exists() else []


def test_a_valid_one_is_loaded_once(step: Callable[[], int], tmp_path: Path) -> None:
    stage(tmp_path, "one")
    assert step() == 0
    assert live(tmp_path) == "one"
    assert step() == 0
    assert calls(tmp_path) == ["check", "reload"]
    stage(tmp_path, "two")
    assert step() == 0
    assert live(tmp_path) == "two"
    assert calls(tmp_path) == ["check", "reload"] * 2


def test_a_broken_one_leaves_the_last_good_one_alone(step: Callable[[], int], tmp_path: Path) -> None:
    stage(tmp_path, "one")
    step()
    stage(tmp_path, "broken")
    assert step() != 0
    assert live(tmp_path) == "one"
    stage(tmp_path, "three")
    assert step() == 0
    assert live(tmp_path) == "three"


def test_a_reload_that_failed_is_tried_again(step: Callable[[], int], tmp_path: Path) -> None:
    (tmp_path / "stuck").touch()
    stage(tmp_path, "one")
    assert step() != 0
    assert step() != 0
    (tmp_path / "stuck").unlink()
    assert step() == 0
    assert calls(tmp_path)[-1] == "reload"
    assert (tmp_path / "var/lib/bamboo/loaded").read_text() == "one"


def test_nothing_yet(step: Callable[[], int], tmp_path: Path) -> None:
    assert step() == 0
    stage(tmp_path, "")
    assert step() == 0
    assert live(tmp_path) == ""
