"""Phase verify says how many checks passed, and what the last canary took, whoever let it sing."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap import canary, verified
from bootstrap.errors import VerifyError
from bootstrap.phases import verify


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(verified, "remember", lambda _cluster: said.append("verified"))
    monkeypatch.setattr(verified, "forget", lambda _cluster: said.append("not verified"))
    return said


def notes(with_logs: bool) -> tuple[str, ...]:
    verdict = SimpleNamespace(passed=313, ok=True, raise_if_failed=lambda: None)
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


def test_a_verified_run_is_remembered(remembered: list[str]) -> None:
    notes(with_logs=False)
    assert remembered == ["verified"]


def test_a_run_with_a_failed_check_is_not(remembered: list[str]) -> None:
    def fails() -> None:
        raise VerifyError("1 of 2 checks failed")

    verdict = SimpleNamespace(ok=False, raise_if_failed=fails)
    context: Any = SimpleNamespace(cluster="c", verdict=lambda _tell: verdict, teller=lambda _phase: None)
    with pytest.raises(VerifyError):
        verify.run(context, SimpleNamespace(name="verify"))  # type: ignore[arg-type]
    assert remembered == ["not verified"]
