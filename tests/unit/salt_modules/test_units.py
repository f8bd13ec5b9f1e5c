"""Units of systemd: asked for one by one, or once for all; what a dry run may believe of the answer."""

from __future__ import annotations

import pytest

WELL = {"ActiveState": "active", "LoadState": "loaded", "NeedDaemonReload": "no"}


class Systemd:
    """Answers for units, given as name -> properties; `Enabled` is what `systemctl is-enabled` says ("": not there)."""

    def __init__(self, **units):
        self.units = units
        self.questions = []

    def run(self, command, python_shell, ignore_retcode=False):
        self.questions.append(command[1])
        if command[1] == "is-enabled":
            said = [self.units[name].get("Enabled", "enabled") for name in command[2:]]
            return "\n".join(line for line in said if line)
        assert command[1:3] == ["show", "--property"]
        return "\n\n".join("\n".join(f"{key}={self.units[name][key]}" for key in WELL) for name in command[4:])


@pytest.fixture
def make(load):
    return lambda systemd: load("_modules/units", salt={"cmd.run_stdout": systemd.run})


def test_one_unit_is_asked_for_each_time(make):
    systemd = Systemd(zookeeper=dict(WELL))
    units = make(systemd)
    assert units.show("zookeeper")["ActiveState"] == "active"
    systemd.units["zookeeper"]["ActiveState"] = "failed"
    assert units.show("zookeeper")["ActiveState"] == "failed"


def test_many_are_asked_for_in_two_questions(make):
    systemd = Systemd(a=dict(WELL), b={**WELL, "Enabled": "disabled"})
    units = make(systemd)
    assert units.ask(["a", "b"])["b"]["Enabled"] == "disabled"
    assert units.show("a")["LoadState"] == "loaded"
    assert systemd.questions == ["show", "is-enabled"]


def test_no_unit_is_no_question(make):
    systemd = Systemd()
    assert make(systemd).ask([]) == {}
    assert systemd.questions == []


def test_nothing_is_said_of_enabled_when_one_is_not_there(make):
    asked = make(Systemd(a=dict(WELL), b={**WELL, "LoadState": "not-found", "Enabled": ""})).ask(["a", "b"])
    assert ["Enabled" in asked[name] for name in ("a", "b")] == [False, False]


def test_units_whose_files_are_not_what_systemd_has_read_are_told_in_one_question(make):
    systemd = Systemd(a=dict(WELL), b={**WELL, "NeedDaemonReload": "yes"})
    assert make(systemd).stale(["a", "b"]) == ["b"]
    assert systemd.questions == ["show"]


@pytest.mark.parametrize(("stale", "result", "did"), [([], True, []), (["x.service"], True, ["reload"])])
def test_units_that_nobody_restarts_are_read_again_where_systemd_knows_old_ones(load, stale, result, did):
    done = []
    salt = {"units.stale": lambda units: stale, "service.systemctl_reload": lambda: done.append("reload")}
    answer = load("_states/units", salt=salt).reread("x", ["x.service", "x.timer"])
    assert (answer["result"], answer["changes"]) == (result, {"read again": "x.service"} if stale else {})
    assert done == did
    tried = load("_states/units", salt=salt, test=True).reread("x", ["x.service", "x.timer"])
    assert tried["result"] is (None if stale else True)
    assert done == did, "test mode acts"
