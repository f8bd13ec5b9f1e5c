"""A command is run once, and again until it has succeeded."""

from __future__ import annotations


def test_run_once(load, tmp_path):
    run = []

    def run_all(command, python_shell):
        run.append((command, python_shell))
        return {"retcode": 0 if len(run) > 1 else 3, "stdout": "", "stderr": "no\n"}

    state = load("_states/once", salt={"cmd.run_all": run_all})
    mark = str(tmp_path / "marks" / "mark")
    failed = state.run("the command", mark)
    assert (failed["result"], failed["comment"]) == (False, "ended with 3: no")
    assert state.run("the command", mark)["changes"] == {"run": "the command"}
    assert state.run("the command", mark)["changes"] == {}
    assert run == [("the command", True)] * 2


def test_a_dry_run_runs_nothing(load, tmp_path):
    state = load("_states/once", test=True)
    assert state.run("the command", str(tmp_path / "mark"))["result"] is None
