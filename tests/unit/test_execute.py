"""The walk over the graph of phases: order, concurrency, failure, selection, the lock."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bootstrap.errors import BusyError, DiskFullError, ExitStatus, OperatorError, SaltError, UsageError
from bootstrap.execute import exclusive, execute, select
from bootstrap.journal import Journal, read
from bootstrap.phases import PhaseResult


@dataclass(frozen=True)
class FakePhase:
    name: str
    needs: tuple[str, ...] = ()
    kind: str = "fake"
    nodes: tuple[str, ...] = ("node-1",)


@dataclass(frozen=True)
class FakePlan:
    phases: tuple[FakePhase, ...]
    env: str = "test"


class FakeContext:
    def progress(self, *_: Any, **__: Any) -> None: ...

    def close(self) -> None: ...

    def interrupt(self) -> None: ...

    def changed(self) -> None: ...


DIAMOND = FakePlan(
    (
        FakePhase("machines"),
        FakePhase("docker", ("machines",)),
        FakePhase("zookeeper", ("machines",)),
        FakePhase("agent", ("docker", "zookeeper")),
    )
)


@pytest.fixture
def behave() -> Iterator[Callable[[Callable[[str], PhaseResult]], None]]:
    """Makes what a phase does a function of its name."""

    def install(action: Callable[[str], PhaseResult]) -> None:
        module = types.ModuleType("bootstrap.phases.fake")
        module.run = lambda context, phase: action(phase.name)  # type: ignore[attr-defined]
        sys.modules["bootstrap.phases.fake"] = module

    yield install
    sys.modules.pop("bootstrap.phases.fake", None)


def run(folder: Path, plan: FakePlan = DIAMOND) -> Any:
    return execute(plan, plan.phases, FakeContext(), Journal(folder))  # type: ignore[arg-type]


def test_phases_run_after_what_they_need_and_changes_add_up(tmp_path: Path, behave: Any) -> None:
    order: list[str] = []
    behave(lambda name: order.append(name) or PhaseResult({"node-1": 2}))
    outcome = run(tmp_path)
    assert order[0] == "machines" and order[-1] == "agent" and len(order) == 4
    assert outcome.changes == 8 and outcome.status == ExitStatus.OK and outcome.skipped == ()
    assert [event["event"] for event in read(tmp_path)].count("phase-end") == 4


def test_phases_that_do_not_need_each_other_run_at_the_same_time(tmp_path: Path, behave: Any) -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(name: str) -> PhaseResult:
        if name in ("docker", "zookeeper"):
            both.wait()
        return PhaseResult()

    behave(meet)
    assert run(tmp_path).status == ExitStatus.OK


def test_after_a_failure_nothing_new_starts_and_the_status_is_the_errors(tmp_path: Path, behave: Any) -> None:
    def fail(name: str) -> PhaseResult:
        if name == "docker":
            raise SaltError("minion agent-1 is silent")
        return PhaseResult({"node-1": 1})

    behave(fail)
    outcome = run(tmp_path)
    assert outcome.status == ExitStatus.SALT
    assert "agent" in outcome.skipped
    assert [str(error) for error in outcome.errors] == ["minion agent-1 is silent"]


def test_a_full_disk_is_an_expected_error_any_other_os_error_is_a_defect(tmp_path: Path, behave: Any) -> None:
    def full(name: str) -> PhaseResult:
        raise OSError(28, "No space left on device", "/var/cache/x")

    behave(full)
    outcome = run(tmp_path)
    assert isinstance(outcome.errors[0], DiskFullError) and "/var/cache/x" in outcome.errors[0].what

    def denied(name: str) -> PhaseResult:
        raise PermissionError(13, "Permission denied")

    behave(denied)
    with pytest.raises(PermissionError):
        run(tmp_path)


SELECTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["machines", "docker", "zookeeper", "agent"]),
    ({"only": ["agent", "docker"]}, ["docker", "agent"]),
    ({"start": "zookeeper"}, ["zookeeper", "agent"]),
    ({"skip": ["docker"]}, ["machines", "zookeeper", "agent"]),
    ({"start": "docker", "skip": ["agent"]}, ["docker", "zookeeper"]),
]


@pytest.mark.parametrize(("options", "expected"), SELECTIONS)
def test_selection_keeps_the_plans_order(options: dict[str, Any], expected: list[str]) -> None:
    assert [phase.name for phase in select(DIAMOND, **options)] == expected  # type: ignore[arg-type]


def test_a_phase_still_comes_after_what_it_needs_through_one_that_is_left_out() -> None:
    chosen = select(DIAMOND, only=["machines", "agent"])  # type: ignore[arg-type]
    assert [(phase.name, phase.needs) for phase in chosen] == [("machines", ()), ("agent", ("machines",))]


@pytest.mark.parametrize("options", [{"only": ["nginx"]}, {"start": "nginx"}, {"skip": ["nginx"]}])
def test_an_unknown_phase_is_refused_with_the_known_ones(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        select(DIAMOND, **options)  # type: ignore[arg-type]
    assert "machines, docker, zookeeper, agent" in refused.value.next_step


def test_an_environment_is_held_by_one_run(tmp_path: Path) -> None:
    with exclusive(tmp_path):
        with pytest.raises(BusyError) as busy, exclusive(tmp_path):
            pass
        assert "process" in busy.value.cause
    with exclusive(tmp_path):
        pass


def test_the_json_names_phases_changes_and_seconds(tmp_path: Path, behave: Any) -> None:
    behave(lambda name: PhaseResult({"node-1": 1, "node-2": 0}))
    document = run(tmp_path).as_json()
    assert document["changes"] == 4 and document["seconds"] >= 0
    assert document["phases"][0].keys() == {"name", "seconds", "changes", "nodes", "notes", "error"}
    assert document["phases"][0]["nodes"] == {"node-1": 1}


def test_every_error_class_has_a_status_of_its_own() -> None:
    def descendants(kind: type[OperatorError]) -> list[type[OperatorError]]:
        return [kind, *(found for sub in kind.__subclasses__() for found in descendants(sub))]

    statuses = [kind.status for kind in descendants(OperatorError)[1:] if kind.__module__ == "bootstrap.errors"]
    assert len(statuses) == len(set(statuses))
