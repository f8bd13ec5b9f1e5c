"""Which indices go, and why; which are opened again."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

TODAY = datetime.datetime.now(datetime.UTC).date()
GB = 2**30
SETTINGS = {"days": 30, "disk_share": 60, "keep": 1, "prefix": "applogs"}


@pytest.fixture
def retention(load: Callable[..., ModuleType]) -> ModuleType:
    return load("elasticsearch-retention/files/retention")


def day(ago: int) -> str:
    return f"applogs-{TODAY - datetime.timedelta(days=ago)}"


@pytest.mark.parametrize(
    ("value", "headroom", "total", "free"),
    [
        ("85%", "200GB", 1000 * GB, 150 * GB),
        ("85%", "200GB", 10000 * GB, 200 * GB),
        ("0.95", None, 1000 * GB, 50 * GB),
        ("95%", "-1", 10000 * GB, 500 * GB),
        ("20gb", None, 1000 * GB, 20 * GB),
        ("1.5tb", "200GB", 1000 * GB, 1536 * GB),
    ],
)
def test_what_a_watermark_wants_free(
    retention: ModuleType, value: str, headroom: str | None, total: int, free: int
) -> None:
    assert retention.must_be_free(value, headroom, total) == pytest.approx(free, abs=1)


@pytest.mark.parametrize(
    ("sizes", "available", "gone"),
    [
        ({0: 10, 1: 10, 29: 10, 30: 10}, 500, []),
        ({0: 10, 1: 10, 31: 10, 400: 10}, 500, [400, 31]),
        ({0: 100, 1: 300, 2: 200, 3: 100}, 200, [3]),
        ({0: 100, 1: 300, 2: 200, 3: 0, 4: 250}, 200, [4]),
        ({0: 700}, 200, []),
        ({0: 700, 1: 100}, 200, [1]),
        ({0: 50, 1: 50, 2: 50}, 120, [2]),
        ({0: 50, 1: 50, 2: 50, 31: 40}, 120, [31]),
        ({0: 50, 1: 50, 2: 50}, 10, []),
    ],
    ids=[
        "nothing is old",
        "too old",
        "more than their share",
        "as many as it takes, and only what helps",
        "today's alone is kept",
        "today's is kept though it is too large",
        "above the low watermark",
        "age makes the room already",
        "others filled the disk: deleting all would not help",
    ],
)
def test_what_has_to_go(retention: ModuleType, sizes: dict[int, int], available: int, gone: list[int]) -> None:
    found = [
        retention.Index(day(ago), TODAY - datetime.timedelta(days=ago), {"a": size})
        for ago, size in sorted(sizes.items(), reverse=True)
    ]
    disks = {"a": retention.Disk(1000, available, 150, 50), "b": retention.Disk(1000, 900, 150, 50)}
    assert [index.name for index, _ in retention.doomed(found, disks, SETTINGS, TODAY)] == [day(ago) for ago in gone]


class Server:
    """A cluster as far as retention asks, `made`: index -> the day it was made. Remembers what is changed."""

    def __init__(
        self,
        made: dict[str, datetime.date],
        *,
        available: int = 900,
        closed: tuple[str, ...] = (),
        master: str = "x",
    ) -> None:
        self.changes: list[tuple[str, str, Any]] = []
        marks = {"low": "85%", "flood_stage": "95%"}
        disk = {"total_in_bytes": 1000, "available_in_bytes": available}
        block = {"index.blocks.read_only_allow_delete": "true"}
        self.answers: dict[str, Any] = {
            "/_cat/shards": [{"index": name, "node": "a -> 10.0.0.2 x b", "store": "10"} for name in made],
            "/_cat/indices": [
                {"index": name, "creation.date": f"{(day - datetime.date(1970, 1, 1)).days * 86400000}"}
                for name, day in made.items()
            ],
            "/_cluster/settings": {
                "defaults": {f"cluster.routing.allocation.disk.watermark.{mark}": at for mark, at in marks.items()}
            },
            "/_nodes/stats": {"nodes": {"x": {"name": "a", "fs": {"total": disk}}}},
            "/applogs-*/_settings": {name: {"settings": block if name in closed else {}} for name in made},
            "/_cluster/state": {"cluster_name": "x", "master_node": master},
            "/_nodes/_local": {"nodes": {"x": {"name": "a"}}},
        }

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        if method != "GET":
            self.changes.append((method, path, body))
            return {"acknowledged": True}
        return next(answer for start, answer in self.answers.items() if path.startswith(start))


@pytest.fixture
def look(
    retention: ModuleType, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run it against a server; what it said."""
    (tmp_path / "config.json").write_text(json.dumps({**SETTINGS, "address": "10.0.0.1", "port": 9200}))
    (tmp_path / "retention-password").write_text("s3cret\n")
    monkeypatch.setattr(retention, "FOLDER", tmp_path)

    def run(server: Any, *arguments: str) -> str:
        monkeypatch.setattr(retention, "Server", lambda *_: server)
        assert retention.main(list(arguments)) == 0
        return capsys.readouterr().out

    return run


def test_the_old_goes_the_new_stays_and_what_has_no_date_is_not_ours(look: Callable[..., str]) -> None:
    names = (day(90), day(0), "applogs-proof", "applogs-2026-13-45", "applogs-2099-01-01")
    server = Server(dict.fromkeys(names, TODAY))
    assert look(server) == f"deleted {day(90)}: older than 30 days\n"
    assert server.changes == [("DELETE", f"/{day(90)}", None)]


def test_a_line_from_the_future_is_as_old_as_its_index(look: Callable[..., str]) -> None:
    server = Server({"applogs-2099-01-01": TODAY - datetime.timedelta(days=31), day(0): TODAY})
    assert "deleted applogs-2099-01-01" in look(server)


def test_a_dry_run_changes_nothing(look: Callable[..., str]) -> None:
    server = Server({day(90): TODAY, day(0): TODAY}, closed=(day(0),), master="another")
    said = look(server, "--dry-run")
    assert f"would delete {day(90)}" in said
    assert f"would open {day(0)}" in said
    assert server.changes == []


def test_only_the_elected_masters_member_acts(look: Callable[..., str]) -> None:
    server = Server({day(90): TODAY}, master="another")
    assert look(server) == ""
    assert server.changes == []


def test_closed_indices_are_opened_once_there_is_room(look: Callable[..., str]) -> None:
    server = Server({day(0): TODAY, day(1): TODAY}, closed=(day(0),))
    assert look(server) == f"opened {day(0)} to writers again: there is room\n"
    assert server.changes == [("PUT", f"/{day(0)}/_settings", {"index.blocks.read_only_allow_delete": None})]


def test_they_stay_closed_in_the_flood_stage(look: Callable[..., str]) -> None:
    server = Server({day(0): TODAY, day(1): TODAY}, closed=(day(0),), available=40)
    assert "flood stage is reached on a" in look(server)
    assert server.changes == []


def test_a_member_that_is_down_is_asked_again_later(look: Callable[..., str]) -> None:
    class Down:
        def ask(self, *_: Any) -> Any:
            raise ConnectionRefusedError("refused")

    assert "nothing done" in look(Down())
