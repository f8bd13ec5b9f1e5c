"""The package built from the official archive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

BUILD = Path(__file__).parents[3] / "packaging/mesos/build.py"


def test_a_second_build_gives_the_same_bytes(store: Any, installed: Any, tmp_path: Path) -> None:
    command = [sys.executable, str(BUILD), "--source", str(store["mesos-binary"].path), "--output", str(tmp_path)]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert Path(made).read_bytes() == installed.package.read_bytes()
