"""The journal survives being cut short and keeps to itself."""

from __future__ import annotations

from pathlib import Path

from bootstrap.journal import Journal, read


def test_events_are_read_back_in_order_and_a_cut_line_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write("run-start", env="local")
    journal.write("phase-end", phase="base", changes=3)
    with journal.path.open("a") as file:
        file.write('{"event": "phase-sta')
    assert [event["event"] for event in read(tmp_path)] == ["run-start", "phase-end"]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write("run-start")
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert list(read(tmp_path)) == []
