"""What the documents say is what the code has."""

from __future__ import annotations

import re

from bootstrap import paths
from bootstrap.cli import command_names
from bootstrap.errors import ExitStatus


def test_the_error_catalogue_has_every_exit_status() -> None:
    text = (paths.CHECKOUT / "docs" / "errors.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", text, re.MULTILINE))
    assert rows == {str(int(status)): status.name for status in ExitStatus}


def test_the_readme_lists_every_command() -> None:
    text = (paths.CHECKOUT / "README.md").read_text()
    assert [name for name in command_names() if f"`bootstrap {name}" not in text] == []
