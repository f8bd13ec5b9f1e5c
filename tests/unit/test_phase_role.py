"""A role's phase: apply everywhere, roll marked nodes, leader last."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bootstrap import ensemble_record
from bootstrap.errors import SaltError, StateFailedError
from bootstrap.model import Role
from bootstrap.phases import role as role_phase
from bootstrap.plan import Phase
from bootstrap.salt_api import Answers
from bootstrap.salt_returns import FailedState, NodeReturn

NODES = ("control-1", "control-2", "control-3")


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The clusters whose ensemble was written down."""
    clusters: list[Any] = []
    monkeypatch.setattr(ensemble_record, "keep", clusters.append)
    return clusters


SUMS = {"base/init.sls": "00"}


class FakeSalt:
    """Remembers jobs; returns what the test lays down per node."""

    def __init__(self, returns: dict[str, NodeReturn], modes: dict[str, str]) -> None:
        self.returns, self.modes = returns, modes
        self.jobs: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.pillars: list[Any] = []
        self.mute: dict[str, str] = {}  # node -> why its probe failed, "" = it did not answer
        self.fresh: set[str] = set()  # minions that know today's pillar

    def apply(
        self,
        nodes: Sequence[str],
        sls: Sequence[str],
        *,
        timeout: float,
        on_return: Callable[[str, NodeReturn], None],
        pillar: Any = None,
        sums: Any = None,
    ) -> dict[str, NodeReturn]:
        self.jobs.append((tuple(nodes), tuple(sls)))
        assert sums == SUMS, "nodes need not ask the master for each file"
        self.pillars.append(pillar)
        restart = any(name.endswith(".restart") for name in sls)
        found = {node: returned(node, changes=1) if restart else self.returns[node] for node in nodes}
        for node, value in found.items():
            on_return(node, value)
        return found

    def call(self, nodes: Sequence[str], function: str, *args: Any, timeout: float) -> dict[str, Any]:
        if function == "saltutil.refresh_pillar":
            assert args[0] is True, "nobody waits for it"
            self.fresh.update(nodes)
            assert args[1] + 10 < timeout, "it is given up before the minion has waited to its end"
            return dict.fromkeys(nodes, True)
        raise AssertionError(function)

    def ask(self, nodes: Sequence[str], function: str, *args: Any, timeout: float) -> Answers:
        assert (function, args) == ("readiness.probe", ("zookeeper",))
        assert set(nodes) <= self.fresh, "a probe would see the pillar of the minion's start"
        told = {node: {"ready": True, "mode": self.modes.get(node, ""), "detail": ""} for node in nodes}
        failed = {node: text for node, text in self.mute.items() if node in nodes and text}
        silent = tuple(node for node in nodes if self.mute.get(node) == "")
        return Answers({node: each for node, each in told.items() if node not in self.mute}, failed, silent)


def returned(
    node: str, changes: int = 0, pending: tuple[str, ...] = (), failed: tuple[FailedState, ...] = ()
) -> NodeReturn:
    return NodeReturn(node=node, changes=changes, failed=failed, pending=pending, seconds=0.1)


def run(salt: FakeSalt, at_once: str = "1", anyway: tuple[str, ...] = ()) -> Any:
    role = Role("zookeeper", "", ("java", "zookeeper"), probe="zookeeper", restart={"zookeeper": at_once})
    context = types.SimpleNamespace(
        cluster=types.SimpleNamespace(roles={"zookeeper": role}),
        salt=salt,
        settled=False,
        state_sums=SUMS,
        restart_anyway=anyway,
        progress=lambda *_, **__: None,
    )
    phase = Phase("zookeeper", "role", (), NODES, "zookeeper", role.components)
    return role_phase.run(context, phase)  # type: ignore[arg-type]


def test_without_markers_there_is_one_job_and_no_restart() -> None:
    salt = FakeSalt({node: returned(node, changes=2) for node in NODES}, {})
    assert run(salt).changes == dict.fromkeys(NODES, 2)
    assert salt.jobs == [(NODES, ("java", "zookeeper"))]


def test_marked_nodes_are_restarted_one_by_one_the_leader_last() -> None:
    salt = FakeSalt({node: returned(node, pending=("zookeeper",)) for node in NODES}, {"control-1": "leader"})
    assert run(salt).changes == dict.fromkeys(NODES, 1)
    assert [job[0] for job in salt.jobs[1:]] == [("control-2",), ("control-3",), ("control-1",)]
    assert {job[1] for job in salt.jobs[1:]} == {("zookeeper.restart",)}


def test_states_hear_which_restarts_are_to_be_done_anyway() -> None:
    salt = FakeSalt({node: returned(node, pending=("zookeeper",)) for node in NODES}, {})
    run(salt, anyway=("zookeeper",))
    assert salt.pillars == [{"restart_anyway": ["zookeeper"]}] * 4


def test_an_interrupted_roll_goes_on_with_the_nodes_that_are_still_marked() -> None:
    returns = {node: returned(node) for node in NODES}
    returns["control-3"] = returned("control-3", pending=("zookeeper",))
    salt = FakeSalt(returns, {})
    assert run(salt).changes == {"control-1": 0, "control-2": 0, "control-3": 1}


def test_a_failed_node_stops_the_roll_and_is_named_with_its_state() -> None:
    failed = FailedState("Write the ensemble", "zookeeper.config", "file.managed", "is a directory")
    returns = {node: returned(node, pending=("zookeeper",)) for node in NODES}
    returns["control-2"] = returned("control-2", failed=(failed,))
    salt = FakeSalt(returns, {})
    with pytest.raises(StateFailedError) as error:
        run(salt)
    assert len(salt.jobs) == 1
    assert "control-2" in error.value.what and "is a directory" in error.value.lines[0]


def test_a_node_with_an_old_pillar_stops_the_roll_before_it_begins_and_the_operator_reads_why() -> None:
    salt = FakeSalt({node: returned(node, pending=("zookeeper",)) for node in NODES}, {})
    traceback = (
        "The minion function caused an exception: Traceback (most recent call last):\n  File x\nRuntimeError: old"
    )
    salt.mute = {"control-2": traceback, "control-3": ""}
    with pytest.raises(SaltError) as error:
        run(salt)
    assert len(salt.jobs) == 1, "something was restarted"
    told = error.value
    assert told.what == "zookeeper was restarted nowhere: control-2, control-3 cannot say whether its zookeeper leads"
    assert told.where == "phase zookeeper, probe zookeeper"
    assert told.lines == ("control-2: RuntimeError: old", "control-3: no answer within 60 s")
    assert "earlier run" in told.cause
    assert "bootstrap ssh control-2" in told.next_step


@pytest.mark.parametrize(
    ("at_once", "nodes", "expected"), [("1", 500, 1), ("10%", 500, 50), ("10%", 3, 1), ("3", 2, 3), ("100%", 7, 7)]
)
def test_batch_size(at_once: str, nodes: int, expected: int) -> None:
    assert role_phase.batch_size(at_once, nodes) == expected


def test_the_ensemble_is_written_down_when_it_runs_as_asked_for_and_not_before(kept: list[Any]) -> None:
    bad = FailedState("configure zookeeper", "zookeeper.config", "file.managed", "no room")
    with pytest.raises(StateFailedError):
        run(FakeSalt({node: returned(node, failed=(bad,)) for node in NODES}, {}))
    assert kept == []
    run(FakeSalt({node: returned(node) for node in NODES}, {}))
    assert len(kept) == 1
