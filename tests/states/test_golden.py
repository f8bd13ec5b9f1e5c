"""The rendered configuration of typical nodes, as files a person can read: golden/<env>/<node>/<path>.

After a wanted change: UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/states, and review the diff.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

GOLDEN = Path(__file__).with_name("golden")
NODES = [
    *("local/admin-1", "local/control-1", "local/agent-1", "local/edge-1"),
    *("newrelic/control-1", "newrelic/agent-01", "newrelic/edge-1"),
    *("prod/admin-1", "prod/control-1", "prod/agent-01", "prod/edge-1"),
]


@pytest.mark.parametrize("node", NODES)
def test_rendered_files_are_the_golden_ones(rendered, node):
    files = {path.lstrip("/"): text for path, text in rendered[node]["files"].items()}
    folder = GOLDEN / node
    if os.environ.get("UPDATE_GOLDEN"):
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    kept = {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}
    assert sorted(files) == sorted(kept)
    for path, text in files.items():
        assert text == kept[path], path


@pytest.mark.parametrize("node", NODES)
def test_rendered_json_is_json(rendered, node):
    for path, text in rendered[node]["files"].items():
        if path.endswith(".json"):
            json.loads(text)
