"""What `status` makes of what Elasticsearch's members say."""

from __future__ import annotations

import pytest

from bootstrap import config, paths
from bootstrap.health import View, elasticsearch, elasticsearch_disk
from bootstrap.health.elasticsearch import Member
from bootstrap.health.elasticsearch_disk import Disks
from bootstrap.health.net import Login

WHOLE = Member("prod", 3, "green", 0)


@pytest.fixture
def view(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    (paths.state_dir("prod") / "ca").mkdir(parents=True)
    (paths.state_dir("prod") / "ca" / "ca.crt").write_text("CERTIFICATE\n")
    monkeypatch.setattr(elasticsearch_disk, "ask", lambda *_args, **_more: None)
    return View(config.load("prod"), logins={elasticsearch.SECRET: Login("operator", "s3cret")})


@pytest.mark.parametrize(
    ("members", "whole", "detail", "wrong"),
    [
        ([WHOLE, WHOLE, WHOLE], "ok", "green, 3 of 3 members answer", []),
        (
            [WHOLE, Member(why="refuses connections"), WHOLE],
            "degraded",
            "green, 2 of 3 members answer",
            ["refuses connections"],
        ),
        (
            [Member("prod", 2, "yellow", 4)] * 3,
            "degraded",
            "yellow, 3 of 3 members answer, 4 copies of shards have no place",
            ["sees 2 of 3 members"] * 3,
        ),
        (
            [Member("prod", 3, "red", 1)] * 3,
            "failed",
            "red, 3 of 3 members answer, 1 copies of shards have no place",
            [],
        ),
        ([Member(why="x")] * 3, "failed", "no member answers for a cluster", ["x"] * 3),
    ],
    ids=["whole", "one is down", "one left", "a shard is lost", "all are down"],
)
def test_check(view, monkeypatch, members, whole, detail, wrong):
    answers = {f"10.20.0.1{number}": member for number, member in enumerate(members, start=1)}
    monkeypatch.setattr(elasticsearch, "ask", lambda address, *_args, **_more: answers[address])
    found = elasticsearch.check(view)
    assert (found[-1].node, found[-1].state, found[-1].detail) == ("", whole, detail)
    assert [health.detail for health in found[:-1] if health.wrong] == wrong
    assert all(health.next_step for health in found if health.wrong)


def test_before_the_environment_is_made(view):
    (found,) = elasticsearch.check(View(view.cluster))
    assert found.state == "failed"
    assert found.next_step == "bootstrap cluster --env prod"


SIZES = {
    "nodes": {
        "a": {"name": "control-1", "fs": {"total": {"total_in_bytes": 1000, "available_in_bytes": 360}}},
        "b": {"name": "control-2", "fs": {"total": {"total_in_bytes": 1000, "available_in_bytes": 40}}},
    }
}
MARK = "cluster.routing.allocation.disk.watermark"
SETTINGS = {
    "defaults": {f"{MARK}.low": "85%", f"{MARK}.high": "90%", f"{MARK}.flood_stage": "95%"},
    "persistent": {f"{MARK}.high": "92%"},
}


@pytest.mark.parametrize(
    ("status", "closed", "wrong"),
    [("green", 0, []), ("yellow", 0, ["degraded"]), ("red", 2, ["failed"]), ("unknown", 0, [])],
)
def test_disks_and_watermarks_are_shown(view, monkeypatch, status, closed, wrong):
    report = {"indicators": {"disk": {"status": status, "details": {"indices_with_readonly_block": closed}}}}
    disks = elasticsearch_disk.judge(SIZES, SETTINGS, report)
    monkeypatch.setattr(elasticsearch, "ask", lambda *_args, **_more: WHOLE)
    monkeypatch.setattr(elasticsearch_disk, "ask", lambda *_args, **_more: disks)
    found = elasticsearch.check(view)
    whole = next(health for health in found if not health.node)
    assert whole.detail.endswith("; fullest disk 96% (control-2), watermarks 85%, 92%, 95%")
    assert [health.state for health in found if health.wrong] == wrong
    assert all("elasticsearch-retention --dry-run" in health.next_step for health in found if health.wrong)


def test_indices_that_are_closed_to_writers_are_counted(view, monkeypatch):
    disks = Disks({"control-1": 97}, ("85%", "90%", "95%"), "red", "3 nodes are out of disk space", 4)
    monkeypatch.setattr(elasticsearch, "ask", lambda *_args, **_more: WHOLE)
    monkeypatch.setattr(elasticsearch_disk, "ask", lambda *_args, **_more: disks)
    last = elasticsearch.check(view)[-1]
    assert last.detail == "4 indices take no more lines; 3 nodes are out of disk space"
