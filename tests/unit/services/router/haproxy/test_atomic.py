"""Files that are whole or not there."""

from __future__ import annotations

import pytest

from services.router.haproxy import atomic


def test_write_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "f"
    atomic.write(path, "one", mode=0o600)
    atomic.write(path, b"two", durable=True)
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(OSError):
        atomic.write(tmp_path / "f", "x")
    assert [each.name for each in tmp_path.iterdir()] == ["f"]
    with pytest.raises(OSError):
        atomic.write(tmp_path / "none" / "f", "x")
