"""What command tasks print is in the sandbox as it is, and line by line for the shipper."""

from __future__ import annotations

import json
import subprocess

import pytest
from utopia_mesos import output
from utopia_mesos.output import Output

ENVIRONMENT = {"MARATHON_APP_ID": "/a", "MESOS_TASK_ID": "a.1", "SECRET": "x"}


@pytest.fixture
def printed(tmp_path, monkeypatch):
    """Runs a command as the executor does: (sandbox's stdout, lines)."""
    sandbox = tmp_path / "stdout"

    def run(command):
        with sandbox.open("wb") as file, (tmp_path / "stderr").open("wb") as errors:
            made = Output(ENVIRONMENT, tmp_path, (file.fileno(), errors.fileno()))
            process = subprocess.Popen(["sh", "-c", command], stdout=made.files[0], stderr=made.files[1])
            made.begin()
            process.wait()
            made.end()
        lines = (tmp_path / ".log/lines-json.log").read_text().splitlines()
        return sandbox.read_bytes(), [json.loads(line) for line in lines]

    return run


def test_lines_streams_and_names(printed):
    raw, lines = printed("echo one; printf 'two\\377\\n'; echo three >&2; printf last")
    assert raw == b"one\ntwo\xff\nlast"
    assert [line["log"] for line in lines if line["stream"] == "stdout"] == ["one\n", "two�\n", "last"]
    assert [line["log"] for line in lines if line["stream"] == "stderr"] == ["three\n"]
    assert lines[0]["attrs"] == {"MARATHON_APP_ID": "/a", "MESOS_TASK_ID": "a.1"}
    assert len({line["time"] for line in lines}) == 4


def test_long_lines_come_in_pieces(printed):
    raw, lines = printed("head -c 100000 /dev/zero | tr '\\0' x; echo; echo after")
    assert len(raw) == 100007
    assert "".join(line["log"] for line in lines) == "x" * 100000 + "\nafter\n"
    assert all(not line["log"].endswith("\n") for line in lines[:-2])
    assert max(len(line["log"]) for line in lines) == output.PIECE


def test_the_file_is_bounded(printed, monkeypatch, tmp_path):
    monkeypatch.setattr(output, "LARGEST", 20000)
    printed("for i in 1 2 3 4 5 6 7 8; do head -c 12000 /dev/zero | tr '\\0' x; echo; sleep 0.05; done")
    sizes = [path.stat().st_size for path in (tmp_path / ".log").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 20000


def test_a_full_disk_stops_nobody_and_is_told(printed, monkeypatch):
    append, calls = output._Lines._append, []

    def full_at_first(self, data):
        calls.append(data)
        if len(calls) == 1:
            raise OSError("no space")
        append(self, data)

    monkeypatch.setattr(output._Lines, "_append", full_at_first)
    raw, lines = printed("echo one; sleep 0.3; echo two")
    assert raw == b"one\ntwo\n"
    assert [line["log"] for line in lines] == ["1 lines were lost: no space for the log\n", "two\n"]
