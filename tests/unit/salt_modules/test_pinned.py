"""A pinned value is written once, and never over another one."""

from __future__ import annotations


def test_written_once_and_kept(load, tmp_path):
    owners = []
    state = load("_states/pinned", salt={"file.chown": lambda *arguments: owners.append(arguments)})
    path = str(tmp_path / "myid")
    assert state.file(path, 3, hint="h", user="zookeeper")["changes"] == {"pinned": "3"}
    assert owners == [(path, "zookeeper", "zookeeper")]
    assert state.file(path, 3, hint="h", user="zookeeper")["changes"] == {}
    refused = state.file(path, 4, hint="ask first", user="zookeeper")
    assert refused["result"] is False
    assert "holds 3, the topology says 4: ask first" in refused["comment"]
    assert (tmp_path / "myid").read_text(encoding="ascii") == "3\n"


def test_a_dry_run_writes_nothing(load, tmp_path):
    state = load("_states/pinned", test=True)
    assert state.file(str(tmp_path / "myid"), 3, hint="h")["result"] is None
    assert list(tmp_path.iterdir()) == []
