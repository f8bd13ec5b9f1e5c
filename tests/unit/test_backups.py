"""`bootstrap backup`: what is asked of Elasticsearch, what is said, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bootstrap import config, paths, status
from bootstrap.backups import elasticsearch
from bootstrap.cli import main
from bootstrap.errors import ExitStatus
from bootstrap.health.net import Answer, Login, UnansweredError

DETAILS = {
    "applogs-2026-01-01": {"size_in_bytes": 1000, "max_segments_per_shard": 2},
    "applogs-2026-01-02": {"size_in_bytes": 10, "max_segments_per_shard": 1},
    "applogs-2026-01-03": {"size_in_bytes": 1, "max_segments_per_shard": 0},
}


def snapshot(name: str, state: str = "SUCCESS", failures: tuple[Any, ...] = ()) -> dict[str, Any]:
    return {
        "snapshot": name,
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

    def send(self, method: str, address: str, port: int, path: str, *, body: Any = None, **_more: Any) -> Answer:
        if address in self.down:
            raise UnansweredError("refuses connections")
        self.asked.append((method, path, body))
        answer = self.answer(method, path.partition("?")[0])
        return Answer(404 if answer is None else 200, {}, json.dumps(answer).encode())

    def answer(self, method: str, path: str) -> Any:
        name = path.rpartition("/")[2]
        if path == "/_snapshot/utopia":
            return {"utopia": {"type": "fs"}} if self.registered else None
        if path.endswith("/_status"):
            stats = {"total": {"size_in_bytes": 3 << 20}, "incremental": {"size_in_bytes": 1 << 20}}
            return {"snapshots": [{"stats": stats}]}
        if path.endswith("/_verify"):
            return {"nodes": {"a": {}, "b": {}, "c": {}}}
        if path.startswith("/_cluster/health/"):
            return {"status": "green"}
        if path.endswith("/_count"):
            return {"count": 42}
        if method != "GET":
            return {"accepted": True}
        if name == "*":
            return {"snapshots": self.snapshots}
        return {"snapshots": [self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]]}


@pytest.fixture
def elastic(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Elastic:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    (paths.state_dir("prod") / "ca").mkdir(parents=True)
    (paths.state_dir("prod") / "ca" / "ca.crt").write_text("CERTIFICATE\n")
    made = Elastic()
    monkeypatch.setattr(elasticsearch, "send", made.send)
    monkeypatch.setattr(status, "logins", lambda _env: {elasticsearch.SECRET: Login("operator", "s3cret")})
    monkeypatch.setattr(elasticsearch.time, "sleep", lambda _: None)
    return made


def backup(*arguments: str) -> int:
    return main(["backup", "--env", "prod", *arguments])


def test_it_is_taken_and_waited_for(elastic: Elastic, capsys: pytest.CaptureFixture[str]) -> None:
    elastic.snapshots = [snapshot("x", "IN_PROGRESS"), snapshot("x", "IN_PROGRESS"), snapshot("prod-1")]
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
    found = replace(config.load("prod"), settings={"elasticsearch": {"snapshots": {"type": "s3"}}})
    monkeypatch.setattr(config, "load", lambda _env: found)
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
