"""Facts of the machine: its cgroup, what it can offer, and whether its name is its own."""

from __future__ import annotations

import re
import socket

import pytest


@pytest.mark.parametrize(
    ("lines", "cgroup"),
    [
        ("12:pids:/x\n7:freezer:/docker/abc\n1:name=systemd:/docker/abc/init.scope\n0::/\n", "/docker/abc"),
        ("7:freezer:/\n", "/"),
        ("0::/init.scope\n", ""),
    ],
)
def test_cgroup(load, tmp_path, lines, cgroup):
    machine = load("_modules/machine")
    machine.PROC = tmp_path
    (tmp_path / "1").mkdir()
    (tmp_path / "1/cgroup").write_text(lines, encoding="ascii")
    assert machine.cgroup() == cgroup


def test_resources_are_measured_once_and_kept(load, tmp_path):
    machine = load("_modules/machine")
    measured = machine.task_resources("[31000-31999]", str(tmp_path / "kept"))
    assert re.fullmatch(r"cpus:[1-9]\d*;mem:[1-9]\d*;disk:[1-9]\d*;ports:\[31000-31999\]", measured)
    (tmp_path / "kept").write_text("cpus:1;mem:1;disk:1;ports:[1-2]\n", encoding="ascii")
    assert machine.task_resources("[31000-31999]", str(tmp_path / "kept")) == "cpus:1;mem:1;disk:1;ports:[1-2]"


def test_a_name_must_resolve_to_the_address_alone(load, monkeypatch):
    machine = load("_modules/machine")
    found = ["10.0.0.1"]
    monkeypatch.setattr(socket, "gethostname", lambda: "agent-1")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", (address, 0)) for address in found])
    assert machine.naming_faults("agent-1", "10.0.0.1") == []
    found[:] = ["127.0.1.1"]
    assert machine.naming_faults("agent-1", "10.0.0.1") == ["agent-1 resolves to 127.0.1.1 instead of 10.0.0.1"]
    found[:] = ["10.0.0.1"]
    assert "calls itself agent-1" in machine.naming_faults("agent-2", "10.0.0.1")[0]


def test_a_name_that_does_not_resolve_is_told(load, monkeypatch):
    def nothing(*_arguments):
        raise socket.gaierror("unknown name")

    machine = load("_modules/machine")
    monkeypatch.setattr(socket, "gethostname", lambda: "agent-1")
    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    assert machine.naming_faults("agent-1", "10.0.0.1") == ["agent-1 does not resolve: unknown name"]


@pytest.mark.parametrize(
    ("faults", "test", "result"), [([], False, True), (["wrong"], False, False), (["wrong"], True, None)]
)
def test_the_state_fails_with_the_faults(load, faults, test, result):
    state = load("_states/machine", salt={"machine.naming_faults": lambda _name, _address: faults}, test=test)
    answer = state.named("agent-1", "10.0.0.1")
    assert (answer["result"], answer["changes"]) == (result, {})
    assert "wrong" in answer["comment"] or not faults


def test_swap_areas(load, tmp_path):
    machine = load("_modules/machine")
    machine.PROC = tmp_path
    (tmp_path / "swaps").write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n", encoding="ascii")
    assert machine.swap_areas() == ["/dev/sda2"]
    (tmp_path / "swaps").write_text("Filename Type Size Used Priority\n", encoding="ascii")
    assert machine.swap_areas() == []


@pytest.mark.parametrize(
    ("areas", "retcode", "test", "result", "changed"),
    [
        ([], 0, False, True, False),
        (["/dev/sda2"], 0, False, True, True),
        (["/dev/sda2"], 0, True, None, False),
        (["/dev/sda2"], 255, False, False, False),
    ],
)
def test_swap_is_switched_off(load, areas, retcode, test, result, changed):
    commands = []

    def run(command, python_shell):
        commands.append(command)
        return {"retcode": retcode, "stderr": "Operation not permitted"}

    state = load("_states/machine", salt={"machine.swap_areas": lambda: areas, "cmd.run_all": run}, test=test)
    answer = state.without_swap("x")
    assert (answer["result"], bool(answer["changes"])) == (result, changed)
    assert commands == ([["swapoff", "--all"]] if areas and not test else [])
