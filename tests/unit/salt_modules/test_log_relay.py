"""What the log relay counts, and what it makes of the answers of the index."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CREATED, THERE, BUSY, BAD = 201, 409, 429, 400
DAY = "2026-01-01T00:00"


@pytest.fixture
def relay(load: Callable[..., ModuleType]) -> ModuleType:
    return load("rsyslog/files/relay")


@pytest.fixture
def lost(relay: ModuleType, tmp_path: Path) -> Any:
    return relay.Lost(tmp_path / "lost.json")


def count(tmp_path: Path) -> int:
    return int(json.loads((tmp_path / "lost.json").read_text())["lost"])


def request(*ids: str) -> bytes:
    lines = ((json.dumps({"create": {"_index": "i", "_id": one}}), json.dumps({"message": one})) for one in ids)
    return "".join(f"{action}\n{document}\n" for action, document in lines).encode()


def items(*statuses: int) -> list[dict[str, Any]]:
    return [{"create": {"_id": "x", "status": status}} for status in statuses]


@pytest.mark.parametrize(
    ("ids", "counted"),
    [
        (["c-{}:01.5Z-stdout", "c-{}:02Z-stdout"], 2),
        (["c-{}:02Z-stdout", "c-{}:01Z-stdout", "c-{}:02Z-stdout"], 1),  # read again
        (["c-{}:01.12Z-stdout", "c-{}:01.1Z-stdout", "c-{}:01.13Z-stdout"], 2),  # times without their last zeros
        (["c-{}:01Z-stdout", "c-{}:01Z-stderr", "d-{}:01Z-stdout"], 3),
        (["c-{}:02Z-stdout", "c-{}:01Z-stderr", "d-{}:01Z-stdout"], 3),  # each source has its own order
        (["c-{}:01Z-stdout-16384", "c-{}:01Z-stdout-200", "c-{}:01Z-stdout-16384"], 2),  # parts of a line
        (["5f-6a-{}:01Z-stdout", "5f-6b-{}:01Z-stdout"], 2),  # command tasks
        (["agent-1-{}:01.5+00:00-77-1234", "agent-1-{}:01.5+00:00-77-99", "agent-1-{}:01.5+00:00-77-1234"], 2),
        (["of another form", "of another form"], 2),
    ],
)
def test_each_line_is_counted_once(lost: Any, tmp_path: Path, ids: list[str], counted: int) -> None:
    for one in ids:
        lost.record("containers", [(one.format(DAY), "lost")])
    assert count(tmp_path) == counted


def seconds(*numbers: int, fate: str) -> list[tuple[str, str]]:
    """Lines of one container, each of its second."""
    return [(f"c-{DAY}:{number:02}Z-stdout", fate) for number in numbers]


def test_lines_that_are_found_after_all(relay: ModuleType, lost: Any, tmp_path: Path) -> None:
    """Whoever is asked: this one, or the next with its file."""
    lost.record("containers", seconds(0, 1, 2, 3, 4, fate="lost"))
    lost.record("containers", seconds(1, 2, fate="known") + seconds(3, 4, 5, 6, fate="new"))
    assert count(tmp_path) == 3
    other = relay.Lost(tmp_path / "lost.json")
    other.record("containers", seconds(2, fate="new"))
    other.record("journal", seconds(2, fate="new"))
    assert count(tmp_path) == 2


def test_lines_that_were_indexed_before_are_not_lost(lost: Any, tmp_path: Path) -> None:
    """Everything is read again, and the index is away."""
    lost.record("containers", seconds(0, 1, 2, 3, fate="new"))
    lost.record("containers", seconds(0, 1, 2, 3, 4, fate="lost"))
    assert count(tmp_path) == 1


def test_lines_that_come_late_are_not_taken_for_lost_ones(lost: Any, tmp_path: Path) -> None:
    """Where a process's lines are not quite in order."""
    lost.record("containers", seconds(0, 1, fate="lost"))
    lost.record("containers", seconds(3, 2, fate="new"))
    assert count(tmp_path) == 2


def test_somebody_takes_note(lost: Any, tmp_path: Path) -> None:
    lost.record("containers", seconds(1, fate="lost"))
    (tmp_path / "lost.json").unlink()
    lost.record("containers", seconds(2, fate="lost"))
    assert count(tmp_path) == 1


def test_what_cannot_be_counted_is_not_thrown_away(
    relay: ModuleType, lost: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
        with pytest.raises(OSError, match="no space"):
            lost.record("containers", seconds(1, fate="lost"))
    lost.record("containers", seconds(1, fate="lost"))
    assert count(tmp_path) == 1


def test_few_sources_are_remembered(relay: ModuleType, lost: Any, tmp_path: Path) -> None:
    many = relay.SOURCES + 5
    lost.record("containers", [(f"c{number}-{DAY}:01Z-stdout", "lost") for number in range(many)])
    assert count(tmp_path) == many
    assert len(json.loads((tmp_path / "lost.json").read_text())["last"]["containers"]["gone"]) == relay.SOURCES


def test_only_what_the_index_could_not_do_just_now_is_sent_again(relay: ModuleType) -> None:
    batch = relay.Batch(request("a", "b", "c", "d"))
    batch.learn(items(CREATED, BUSY, THERE, 503))
    assert batch.body() == request("b", "d")
    batch.learn(items(BAD, BUSY))
    assert batch.body() == request("d")
    batch.give_up("lost")
    assert batch.fates() == [("a", "new"), ("b", "refused"), ("c", "known"), ("d", "lost")]
    answer = json.loads(batch.answer())
    assert answer["errors"] is True
    assert [item["create"]["status"] for item in answer["items"]] == [CREATED, BAD, THERE, CREATED]


def test_aside_is_bounded(relay: ModuleType, tmp_path: Path) -> None:
    aside = relay.Aside(tmp_path / "aside")
    assert aside.put(b"x" * (relay.ASIDE_BYTES - 10))
    assert not aside.put(b"x" * 11)


@pytest.mark.parametrize(("taken", "full"), [([300, 300, 270], False), ([300, 300, 280], True), ([], False)])
def test_when_a_queue_is_full(relay: ModuleType, tmp_path: Path, taken: list[int], full: bool) -> None:
    """Seven eighths of its bound, whatever others take; without a bound it is not known."""
    settings = {"folder": str(tmp_path), "bounds": str(tmp_path / "bounds")}
    queue = relay.Queue("journal", None, settings, None, None)
    for number, size in enumerate(taken):
        (tmp_path / f"journal.{number:08}").write_bytes(b"x" * size)
    (tmp_path / "containers.00000001").write_bytes(b"x" * 5000)
    assert not queue.is_full()
    (tmp_path / "bounds").write_text("CONTAINERS_BYTES=9\nJOURNAL_BYTES=1000\nJOURNAL_FILE=10\n")
    assert queue.is_full() == full
