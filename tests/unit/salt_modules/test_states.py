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


class HighState:
    """A run of states that renders to `high`, or to errors, and then gives `found`."""

    def __init__(self, found, errors=(), pillar=None):
        self.opts = {"pillar": pillar or {}}
        self.state = self
        self.rendered = self.called = None
        self._found, self._errors = found, list(errors)

    def render_highstate(self, matches):
        self.rendered = matches
        return {"high": "data"}, self._errors

    def call_high(self, high):
        self.called = high
        return self._found


def with_sums(make, run):
    told = []

    @contextlib.contextmanager
    def highstate(sums, test, pillar=None):
        told.append((sums, test, pillar))
        yield run

    module = make(lambda _mods, **_kwargs: pytest.fail("the master is not to be asked for each file"))
    module.__salt__["served.highstate"] = highstate
    answer = module.apply("java,zookeeper", pillar={"restart_anyway": []}, sums={"x": "00"})
    assert told == [({"x": "00"}, False, {"restart_anyway": []})]
    return module, answer


@pytest.mark.parametrize(("result", "retcode"), [(True, None), (False, 2), (None, None)])
def test_with_sums_states_are_run_without_asking_the_master(make, result, retcode):
    run = HighState({"file_|-x_|-x_|-managed": {"result": result}})
    module, answer = with_sums(make, run)
    assert run.rendered == {"base": ["java", "zookeeper"]}
    assert run.called == {"high": "data"}
    assert answer == {"file_|-x_|-x_|-managed": {"result": result}}
    assert module.__context__.get("retcode") == retcode


@pytest.mark.parametrize(
    ("errors", "pillar"),
    [(["no such sls"], {}), ([], {"_errors": ["no such sls"]}), (["other"], {"_errors": ["no such sls"]})],
)
def test_what_cannot_be_rendered_is_not_run(make, errors, pillar):
    run = HighState({}, errors, pillar)
    module, answer = with_sums(make, run)
    assert answer == ["no such sls"]
    assert run.called is None
    assert module.__context__["retcode"] == 1
