"""Plan -> Outcome. Dumb on purpose: walks the graph of phases.

Phases that need nothing of each other run at the same time.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.errors import BusyError, DiskFullError, ExitStatus, OperatorError, UsageError
from bootstrap.journal import Journal
from bootstrap.phases import Context, PhaseResult

if TYPE_CHECKING:
    from bootstrap.plan import Phase, Plan


@dataclass(frozen=True, slots=True)
class PhaseOutcome:
    """How one phase ended. `seconds` is wall clock time."""

    name: str
    seconds: float
    result: PhaseResult = field(default_factory=PhaseResult)
    error: OperatorError | None = None

    @property
    def changes(self) -> int:
        """Changes on all nodes."""
        return sum(self.result.changes.values())

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the journal."""
        return {
            "name": self.name,
            "seconds": round(self.seconds, 3),
            "changes": self.changes,
            "nodes": {node: count for node, count in self.result.changes.items() if count},
            "notes": list(self.result.notes),
            "error": self.error.as_json() if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    env: str
    seconds: float
    phases: tuple[PhaseOutcome, ...]
    skipped: tuple[str, ...]

    @property
    def changes(self) -> int:
        """Changes of all phases."""
        return sum(phase.changes for phase in self.phases)

    @property
    def errors(self) -> tuple[OperatorError, ...]:
        """What went wrong, in the order in which it did."""
        return tuple(phase.error for phase in self.phases if phase.error)

    @property
    def status(self) -> ExitStatus:
        """The first error's exit status, or OK."""
        return self.errors[0].status if self.errors else ExitStatus.OK

    def as_json(self) -> dict[str, Any]:
        """For `--json`: phases, changes and seconds, per phase and in all."""
        return {
            "env": self.env,
            "status": int(self.status),
            "changes": self.changes,
            "seconds": round(self.seconds, 3),
            "phases": [phase.as_json() for phase in self.phases],
            "skipped": list(self.skipped),
        }


def select(plan: Plan, *, only: Sequence[str] = (), start: str = "", skip: Sequence[str] = ()) -> tuple[Phase, ...]:
    """The phases that `--only`, `--from` and `--skip` leave, in the plan's order.

    What a phase needs through one that is left out, it still comes after.
    """
    names = [phase.name for phase in plan.phases]
    for asked in (*only, *skip, *([start] if start else [])):
        if asked not in names:
            raise UsageError(f"there is no phase '{asked}' in this plan", next_step=f"choose from: {', '.join(names)}")
    chosen = set(only or (names[names.index(start) :] if start else names)) - set(skip)
    before: dict[str, set[str]] = {}
    for phase in plan.phases:  # in the plan's order, so what a phase needs has been seen
        before[phase.name] = set(phase.needs).union(*(before[need] for need in phase.needs))
    return tuple(
        replace(phase, needs=tuple(name for name in names if name in before[phase.name] & chosen))
        for phase in plan.phases
        if phase.name in chosen
    )


def execute(plan: Plan, phases: Sequence[Phase], context: Context, journal: Journal) -> Outcome:
    """Run the chosen phases. A failed phase lets running ones end and starts no other."""
    started = time.monotonic()
    journal.write("run-start", env=plan.env, phases=[phase.name for phase in phases])
    context.will_verify = any(phase.kind == "verify" for phase in phases)
    outcomes: list[PhaseOutcome] = []
    pool = ThreadPoolExecutor(max_workers=max(1, len(phases)), thread_name_prefix="phase")
    try:
        _walk(phases, outcomes, lambda phase: pool.submit(_run, phase, context, journal))
    except KeyboardInterrupt:
        context.interrupt()
        journal.write("run-interrupted", env=plan.env)
        raise  # the CLI leaves without waiting for the pool: every step can be taken up again
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    context.close()
    done = {outcome.name for outcome in outcomes}
    skipped = tuple(phase.name for phase in plan.phases if phase.name not in done)
    outcome = Outcome(plan.env, time.monotonic() - started, tuple(outcomes), skipped)
    journal.write("run-end", **{key: value for key, value in outcome.as_json().items() if key != "phases"})
    return outcome


def _walk(phases: Sequence[Phase], outcomes: list[PhaseOutcome], submit: Any) -> None:
    waiting = {phase.name: phase for phase in phases}
    running: dict[Future[PhaseOutcome], str] = {}
    failed = False
    while waiting or running:
        for name, phase in list(waiting.items()):
            if not failed and not any(need in waiting or need in running.values() for need in phase.needs):
                del waiting[name]
                running[submit(phase)] = name
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            del running[future]
            outcomes.append(future.result())
            failed = failed or outcomes[-1].error is not None


def _run(phase: Phase, context: Context, journal: Journal) -> PhaseOutcome:
    context.progress(phase.name, f"on {len(phase.nodes)} node{'s' if len(phase.nodes) != 1 else ''}")
    journal.write("phase-start", phase=phase.name)
    started = time.monotonic()
    result, error = PhaseResult(), None
    try:
        result = importlib.import_module(f"bootstrap.phases.{phase.kind}").run(context, phase)
    except OperatorError as caught:
        error = caught
    except OSError as caught:
        if caught.errno != 28:  # ENOSPC
            raise
        error = DiskFullError(
            f"no space left while writing {caught.filename or 'a file'}",
            cause="the file system is full",
            next_step="make room, then run the same command again",
        )
    outcome = PhaseOutcome(phase.name, time.monotonic() - started, result, error)
    if outcome.changes:
        context.changed()
    journal.write("phase-end", **outcome.as_json())
    summary = f"failed: {error.what}" if error else f"{outcome.changes} changes"
    context.progress(phase.name, f"{summary} ({outcome.seconds:.1f} s)")
    return outcome


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """One run at a time per environment; the kernel gives the lock back however a run ends."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode().strip()
            raise BusyError(
                "another run holds this environment",
                where=str(folder),
                cause=f"process {holder or 'unknown'} has not ended",
                next_step="wait for it, or end it; its work is continued by the next run",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def changes_by_node(outcomes: Sequence[PhaseOutcome]) -> Mapping[str, int]:
    """All phases' changes, per node."""
    total: dict[str, int] = {}
    for outcome in outcomes:
        for node, count in outcome.result.changes.items():
            total[node] = total.get(node, 0) + count
    return total
