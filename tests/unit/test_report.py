"""What an operator sees."""

from __future__ import annotations

import json

import pytest

from bootstrap.errors import UnreachableError
from bootstrap.report import Report


def test_a_table_is_as_wide_as_its_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    Report().table(["node", "changes"], [("control-1", 3), ("a", 12)])
    assert capsys.readouterr().out.splitlines() == ["NODE       CHANGES", "control-1  3", "a          12"]


def test_json_prints_one_document_and_no_tables(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=True)
    report.table(["node"], [("x",)])
    report.line("text")
    report.json({"changes": 0})
    assert json.loads(capsys.readouterr().out) == {"changes": 0}


def test_an_error_says_what_where_lines_cause_and_next(capsys: pytest.CaptureFixture[str]) -> None:
    error = UnreachableError(
        "agent-1 does not answer", where="10.0.0.1:22", lines=["last line"], cause="it is off", next_step="switch it on"
    )
    Report().error(error)
    assert capsys.readouterr().err.splitlines() == [
        "error: agent-1 does not answer (10.0.0.1:22)",
        "    last line",
        "  cause: it is off",
        "  next:  switch it on",
    ]


def test_progress_is_quiet_about_nodes_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.progress("base", "on 7 nodes")
    report.progress("base", "3 changes", node="agent-1")
    err = capsys.readouterr().err
    assert "[base] on 7 nodes" in err and "agent-1" not in err
    Report(verbose=True).progress("base", "3 changes", node="agent-1")
    assert "[base] agent-1: 3 changes" in capsys.readouterr().err
