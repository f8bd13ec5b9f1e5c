"""`bootstrap backup` and `restore`: what is asked of Elasticsearch, what is said, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bootstrap import config, paths, status, whose_machines
from bootstrap.backups import members
from bootstrap.cli import main
from bootstrap.errors import ExitStatus
from bootstrap.health.net import Answer, Login, UnansweredError

DETAILS = {
    "applogs-2026-01-01": {"size_in_bytes": 1000, "max_segments_per_shard": 2},
    "applogs-2026-01-02": {"size_in_bytes": 10, "max_segments_per_shard": 1},
    "applogs-2026-01-03": {"size_in_bytes": 1, "max_segments_per_shard": 0},
}


def snapshot(
    name: str, state: str = "SUCCESS", failures: tuple[Any, ...] = (), made_for: str = "prod"
) -> dict[str, Any]:
    return {
        "snapshot": name,
        "metadata": {"utopia-env": made_for} if made_for else None,
        "state": state,
        "indices": [*DETAILS],
        "index_details": DETAILS,
        "start_time": "2026-01-04T00:00:00.000Z",
        "duration_in_millis": 1500,
        "shards": {"total": 3, "failed": len(failures)},
        "failures": list(failures),
    }


class Elastic:
    """Stands for the cluster: keeps what was asked; `snapshots` in the order in which they are looked at."""

    def __init__(self) -> None:
        self.registered = True
        self.down: set[str] = set()
        self.snapshots: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.kept: list[dict[str, Any]] | None = None  # what a listing shows, if not `snapshots`
        self.indices: dict[str, str] = {}  # what is in the cluster -> open or close
        self.refuses = ""  # end of a path
        self.looks = 0  # at the health of indices; at the first of them a shard is on its way

    def send(self, method: str, address: str, port: int, path: str, *, body: Any = None, **_more: Any) -> Answer:
        if address in self.down:
            raise UnansweredError("refuses connections")
        self.asked.append((method, path, body))
        if self.refuses and path.endswith(self.refuses):
            return Answer(500, {}, b"no")
        answer = self.answer(method, path.partition("?")[0])
        return Answer(404 if answer is None else 200, {}, json.dumps(answer).encode())

    def answer(self, method: str, path: str) -> Any:
        name = path.rpartition("/")[2]
        if path == "/_snapshot/utopia":
            return {"utopia": {"type": "fs"}} if self.registered else None
        if path.endswith("/_status"):
            stats = {"total": {"size_in_bytes": 3 << 20}, "incremental": {"size_in_bytes": 1 << 20}}
            return {"snapshots": [{"stats": stats, "shards_stats": {"done": 2, "total": 3}}]}
        if path == "/_cat/indices":
            return [{"index": name, "status": state, "docs.count": "7"} for name, state in self.indices.items()]
        if path == "/_cluster/health":
            self.looks += 1
            shards = {"number_of_shards": 2, "active_primary_shards": 1 if self.looks == 1 else 2, "status": "yellow"}
            return {"indices": dict.fromkeys(self.indices, shards)}
        if path.endswith("/_verify"):
            return {"nodes": {"a": {}, "b": {}, "c": {}}}
        if path.startswith("/_cluster/health/"):
            return {"status": "green"}
        if path.endswith("/_count"):
            return {"count": 42}
        if method == "POST" and name == "_restore":
            self.indices |= dict.fromkeys(self.asked[-1][2]["indices"].split(","), "open")
        if method != "GET":
            return {"accepted": True}
        if name == "*":
            return {"snapshots": self.snapshots if self.kept is None else self.kept}
        return {"snapshots": [self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]]}


@pytest.fixture
def elastic(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Elastic:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    (paths.state_dir("prod") / "ca").mkdir(parents=True)
    (paths.state_dir("prod") / "ca" / "ca.crt").write_text("CERTIFICATE\n")
    made = Elastic()
    monkeypatch.setattr(members, "send", made.send)
    monkeypatch.setattr(whose_machines, "refuse", lambda _cluster: None)
    monkeypatch.setattr(status, "logins", lambda _env: {members.SECRET: Login("operator", "s3cret")})
    monkeypatch.setattr(members.time, "sleep", lambda _: None)
    return made


def settings(monkeypatch: pytest.MonkeyPatch, **snapshots: Any) -> None:
    """What prod's file says under elasticsearch.snapshots."""
    found = replace(config.load("prod"), settings={"elasticsearch": {"snapshots": snapshots}})
    monkeypatch.setattr(config, "load", lambda _env: found)


def restore(*arguments: str) -> int:
    return main(["restore", "--env", "prod", *arguments])


def backup(*arguments: str) -> int:
    return main(["backup", "--env", "prod", *arguments])


def test_it_is_taken_and_waited_for(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.snapshots = [snapshot("x", "IN_PROGRESS"), snapshot("x", "IN_PROGRESS"), snapshot("prod-1")]
    elastic.kept = []
    assert backup() == ExitStatus.OK
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row == ["elasticsearch", "prod-1", "2026-01-04T00:00:00.000Z", "3", "3.0", "MB", "1.5", "whole"]
    (taken,) = [(path, body) for method, path, body in elastic.asked if method == "PUT"]
    assert taken[0].startswith("/_snapshot/utopia/prod-20")
    assert "-verify-*" in taken[1]["indices"]


def test_one_with_missing_shards_is_no_backup(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    lack = {"index": "applogs-2026-01-01", "shard_id": 0, "reason": "primary shard is not allocated"}
    elastic.snapshots = [snapshot("prod-1", "PARTIAL", (lack,))]
    assert backup() == ExitStatus.BACKUP
    said = capsys.readouterr().err
    assert "1 of 3 shards are missing" in said
    assert "primary shard is not allocated" in said


def test_without_a_repository_it_says_what_to_write(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.registered = False
    assert backup("--only", "elasticsearch") == ExitStatus.BACKUP
    said = capsys.readouterr().err
    assert "no repository for snapshots is configured" in said
    assert "snapshots: {type: fs}" in said
    assert [method for method, _, _ in elastic.asked] == ["GET"]


def test_a_configured_repository_that_is_not_there_yet(
    elastic: Elastic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elastic.registered = False
    settings(monkeypatch, type="s3")
    assert backup() == ExitStatus.BACKUP
    assert "next:  bootstrap cluster --env prod" in capsys.readouterr().err


def test_the_next_member_is_asked_when_one_is_down(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.snapshots = [snapshot("prod-1"), snapshot("prod-2")]
    elastic.down = {"10.20.0.11", "10.20.0.12"}
    assert backup("--list", "--json") == ExitStatus.OK
    found = json.loads(capsys.readouterr().out)["backups"]
    assert [(entry["name"], entry["bytes"], entry["complete"]) for entry in found] == [
        ("prod-1", 1011, True),
        ("prod-2", 1011, True),
    ]
    elastic.down |= {"10.20.0.13"}
    assert backup("--list") == ExitStatus.BACKUP
    assert "control-3: refuses connections" in capsys.readouterr().err


def test_it_is_proved_by_bringing_a_part_of_it_back(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.snapshots = [snapshot("prod-2")]
    assert backup("--verify", "latest") == ExitStatus.OK
    said = capsys.readouterr().out
    assert "prod-2 holds 3 indices, whole; 3 members reach it" in said
    assert "applogs-2026-01-02 was restored with 42 lines and removed again" in said
    assert elastic.asked[-1][:2] == ("DELETE", "/verify-applogs-2026-01-02?ignore_unavailable=true")


def test_what_is_not_there_cannot_be_proved(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    assert backup("--verify", "latest") == ExitStatus.USAGE
    assert backup("--only", "zookeeper") == ExitStatus.USAGE
    assert "there is no backup of role 'zookeeper'" in capsys.readouterr().err


def test_a_snapshot_that_does_not_end_is_told_and_goes_on(
    elastic: Elastic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(monkeypatch, type="fs", wait=-1)
    elastic.snapshots = [snapshot("x", "IN_PROGRESS")]
    assert backup() == ExitStatus.BACKUP
    said = capsys.readouterr().err
    assert "has not ended after -1 s" in said
    assert "settings.elasticsearch.snapshots.wait" in said
    assert "2 of 3 shards of prod-" in said
    assert "next:  bootstrap backup --env prod --list" in said
    assert not [path for method, path, _ in elastic.asked if method == "DELETE"]


def test_how_far_it_is_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(members.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(members.time, "sleep", lambda _: None)
    far, said = iter([*"abcdefg", ""]), list[str]()
    members.wait(lambda: next(far), 1000, said.append, pytest.fail)
    assert said == ["c", "f"], "every 12 s of 28"


OLD = [
    snapshot("by-hand", made_for=""),
    snapshot("prod-1"),
    snapshot("other-1", made_for="other"),
    snapshot("prod-2", "PARTIAL"),
    snapshot("prod-3", "IN_PROGRESS"),
    snapshot("prod-4"),
    snapshot("prod-5", "FAILED"),
    snapshot("prod-6"),
]


@pytest.mark.parametrize(
    ("keep", "deleted"),
    [(0, []), (1, ["prod-1", "prod-2", "prod-4", "prod-5"]), (2, ["prod-1", "prod-2"]), (3, []), (14, [])],
)
def test_old_ones_of_ours_go_and_are_named(
    elastic: Elastic,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keep: int,
    deleted: list[str],
) -> None:
    settings(monkeypatch, type="fs", keep=keep)
    elastic.snapshots, elastic.kept = [snapshot("prod-6")], OLD
    assert backup("--json") == ExitStatus.OK
    assert json.loads(capsys.readouterr().out)["deleted"] == deleted
    asked = [path for method, path, _ in elastic.asked if method == "DELETE"]
    assert asked == [f"/_snapshot/utopia/{name}" for name in deleted]


def test_by_default_two_weeks_of_nightly_ones_are_kept(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.snapshots, elastic.kept = [snapshot("x")], [snapshot(f"prod-{number}") for number in range(16)]
    assert backup() == ExitStatus.OK
    assert capsys.readouterr().out.splitlines()[-2:] == ["deleted: prod-0", "deleted: prod-1"]


def test_an_old_one_that_cannot_be_deleted_does_not_hide_the_new_one(
    elastic: Elastic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(monkeypatch, type="fs", keep=1)
    elastic.snapshots, elastic.kept, elastic.refuses = [snapshot("prod-6")], OLD, "/prod-1"
    assert backup() == ExitStatus.BACKUP
    assert "prod-6 was taken and is whole; older ones could not be deleted" in capsys.readouterr().err


def began(elastic: Elastic) -> list[tuple[str, str]]:
    """What was changed, in order."""
    return [(path, (body or {}).get("indices", "")) for method, path, body in elastic.asked if method != "GET"]


def test_what_is_missing_is_restored_from_the_newest_whole_one(
    elastic: Elastic, capsys: pytest.CaptureFixture[str]
) -> None:
    elastic.kept = [snapshot("prod-1"), snapshot("prod-2"), snapshot("prod-3", "PARTIAL")]
    elastic.snapshots = [snapshot("prod-2")]
    elastic.snapshots[0]["indices"] = [*DETAILS, "something-else"]
    elastic.indices = {"applogs-2026-01-01": "open", "applogs-2026-01-02": "close"}
    assert restore("--json") == ExitStatus.OK
    (done,) = json.loads(capsys.readouterr().out)["restored"]
    assert (done["name"], done["restored"]) == ("prod-2", {"applogs-2026-01-03": 7})
    assert done["left"] == ["applogs-2026-01-01", "applogs-2026-01-02"]
    assert began(elastic) == [("/_snapshot/utopia/prod-2/_restore", "applogs-2026-01-03")]
    assert elastic.looks == 2, "what is yellow may still be on its way"
    assert restore() == ExitStatus.OK  # and now nothing is missing
    assert "0 indices with 0 lines" in capsys.readouterr().out
    assert len(began(elastic)) == 1


def test_what_is_there_is_not_overwritten_unless_told(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.snapshots = [snapshot("prod-2")]
    elastic.indices = {"applogs-2026-01-01": "open"}
    assert restore("prod-2", "--index", "applogs-2026-01-*") == ExitStatus.BACKUP
    said = capsys.readouterr().err
    assert "1 of the indices asked for is there already" in said
    assert "--overwrite" in said
    assert began(elastic) == []
    assert restore("prod-2", "--index", "applogs-2026-01-01", "--overwrite") == ExitStatus.USAGE  # prod is production
    assert began(elastic) == []
    assert restore("prod-2", "--index", "applogs-2026-01-01", "--overwrite", "--yes", "prod") == ExitStatus.OK
    assert began(elastic) == [
        ("/applogs-2026-01-01/_close", ""),
        ("/_snapshot/utopia/prod-2/_restore", "applogs-2026-01-01"),
    ]


def test_a_restore_that_does_not_begin_leaves_open_what_was(elastic: Elastic) -> None:
    elastic.snapshots, elastic.refuses = [snapshot("prod-2")], "/_restore"
    elastic.indices = {"applogs-2026-01-01": "open", "applogs-2026-01-02": "close"}
    assert restore("prod-2", "--overwrite", "--yes", "prod") == ExitStatus.BACKUP
    paths_asked = [path for path, _ in began(elastic)]
    assert paths_asked == [
        "/applogs-2026-01-01/_close",
        "/_snapshot/utopia/prod-2/_restore",
        "/applogs-2026-01-01/_open",
    ]


def test_what_cannot_be_restored_is_told(
    elastic: Elastic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elastic.snapshots = [snapshot("prod-2")]
    assert restore("prod-2", "--index", "nothing-*") == ExitStatus.BACKUP
    assert "holds no index nothing-*" in capsys.readouterr().err
    elastic.kept = [snapshot("prod-3", "PARTIAL")]
    assert restore() == ExitStatus.USAGE
    elastic.snapshots = [snapshot("prod-3", "PARTIAL")]
    assert restore("prod-3") == ExitStatus.BACKUP
    assert "is PARTIAL" in capsys.readouterr().err
    settings(monkeypatch, type="fs", wait=-1)
    elastic.snapshots = [snapshot("prod-2")]
    monkeypatch.setattr(elastic, "indices", Unreadable())
    assert restore("prod-2") == ExitStatus.BACKUP
    said = capsys.readouterr().err
    assert "could not be read after -1 s" in said
    assert "0 of 3 indices can be read; not yet: applogs-2026-01-01" in said


class Unreadable(dict[str, str]):
    """A cluster to which no index comes back."""

    def __ior__(self, _other: object) -> Unreadable:  # type: ignore[override,misc]
        return self


def test_an_index_that_retention_deletes_again_is_told(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.snapshots = [snapshot("prod-2")]
    elastic.snapshots[0]["indices"] = ["applogs-2020-01-01", "applogs-e2e"]
    assert restore("prod-2") == ExitStatus.OK
    assert "too old to be kept: applogs-2020-01-01;" in capsys.readouterr().out


def test_what_can_be_restored_is_listed(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.snapshots = [snapshot("prod-1")]
    assert restore("--list") == ExitStatus.OK
    assert "prod-1" in capsys.readouterr().out
    assert began(elastic) == []
