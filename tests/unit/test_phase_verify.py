"""Phase verify says how many checks passed, and what the last canary took, whoever let it sing."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap import canary
from bootstrap.phases import verify


def notes(with_logs: bool) -> tuple[str, ...]:
    verdict = SimpleNamespace(passed=313, raise_if_failed=lambda: None)
    cluster = SimpleNamespace(env="lab", with_role=lambda role: ["node"] if with_logs and role == "logs" else [])
    context: Any = SimpleNamespace(cluster=cluster, verdict=lambda _tell: verdict, teller=lambda _phase: None)
    return verify.run(context, SimpleNamespace(name="verify")).notes  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("with_logs", "kept", "told"),
    [
        (True, 0.42, ("313 checks passed", "the canary's line of 3 s ago was found after 0.4 s")),
        (True, None, ("313 checks passed",)),
        (False, 0.42, ("313 checks passed",)),
    ],
)
def test_notes(monkeypatch: pytest.MonkeyPatch, with_logs: bool, kept: float | None, told: tuple[str, ...]) -> None:
    monkeypatch.setattr(canary, "kept", lambda _env: None if kept is None else (time.time() - 3, kept))
    assert notes(with_logs) == told
