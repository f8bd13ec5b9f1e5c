"""Runs of states take turns; the lock is the kernel's, so that a run which was killed holds up nobody."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest


@pytest.fixture
def make(load, tmp_path):
    def module(apply=lambda _mods, **_kwargs: {}, running=lambda: []):
        functions = {"state.apply": apply, "state.running": running, "templates.kept": contextlib.nullcontext}
        loaded = load("_modules/states", salt=functions)
        loaded.LOCK = tmp_path / "lock"
        return loaded

    return module


def test_two_runs_that_arrive_together_both_end_and_never_overlap(make):
    log = []

    def apply(mods, **kwargs):
        assert kwargs == {"concurrent": True}
        log.append(f"{mods} begins")
        time.sleep(0.05)
        log.append(f"{mods} ends")
        return {"mods": mods}

    together = threading.Barrier(2)

    def run(mods):
        module = make(apply)
        together.wait()
        module.apply(mods)

    threads = [threading.Thread(target=run, args=[mods]) for mods in ("java,elasticsearch", "mesos")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert [line.split()[1] for line in log] == ["begins", "ends", "begins", "ends"]


def test_a_run_that_was_started_by_hand_is_waited_for(make):
    answers = [["The function state.apply is running as PID 7"], []]
    assert make(lambda mods, **_kwargs: mods, lambda: answers.pop(0)).apply("base") == "base"
    assert answers == []


def test_running_tells_of_our_runs_and_of_others(make):
    others = []
    told = []
    module = make(lambda _mods, **_kwargs: told.extend(make().running()), lambda: list(others))
    assert module.running() == []
    module.apply("base")
    assert told == ["a run of states is going on on this node (states.apply)"]
    others.append("by hand")
    assert module.running() == ["by hand"]


def test_a_run_that_only_waits_lets_others_go_on(make):
    log = []

    def waits(_mods, **_kwargs):
        first.step_aside()
        make(lambda mods, **_kwargs: log.append(mods)).apply("other")
        first.step_back()
        assert make().running() != []
        log.append("first")

    first = make(waits)
    first.apply("first")
    assert log == ["other", "first"]
    assert make().running() == []


def test_stepping_aside_is_nothing_where_nobody_waits(make):
    module = make()
    module.step_aside()  # an image is baked without any master
    module.step_back()
    assert module.running() == []


def test_a_run_may_find_more_in_its_pillar(make):
    given = []
    module = make(lambda mods, **kwargs: given.append((mods, kwargs)))
    module.apply("elasticsearch.restart", pillar={"restart_anyway": ["elasticsearch"]})
    assert given == [("elasticsearch.restart", {"concurrent": True, "pillar": {"restart_anyway": ["elasticsearch"]}})]
