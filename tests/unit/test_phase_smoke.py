"""Phase smoke: where the sample application is served it only looks, and sings no canary that others sing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap.phases import smoke


class Proof:
    def __init__(self, holds: bool) -> None:
        self._holds = holds

    def holds(self) -> bool:
        return self._holds

    def show(self, _progress: object) -> str:
        return "shown"


@pytest.mark.parametrize(
    ("holds", "verifying", "notes", "changes"),
    [
        (True, True, ["answers"], {}),
        (True, False, ["answers", "sung"], {}),
        (False, True, ["shown", "answers", "sung"], {"control-1": 1}),  # what it changes makes the checks begin anew
    ],
)
def test_the_canary_sings_once(
    monkeypatch: pytest.MonkeyPatch, holds: bool, verifying: bool, notes: list[str], changes: dict[str, int]
) -> None:
    monkeypatch.setattr(smoke, "proof_of", lambda _context: Proof(holds))
    monkeypatch.setattr(smoke, "_canary", lambda _context: ("sung",))
    monkeypatch.setattr(smoke.sample, "url", lambda _cluster: "http://hello.localhost")
    context: Any = SimpleNamespace(cluster=None, verifying=verifying, progress=lambda *_: None)
    result = smoke.run(context, SimpleNamespace(name="smoke", nodes=["control-1"]))  # type: ignore[arg-type]
    assert [next(word for word in ("shown", "answers", "sung") if word in note) for note in result.notes] == notes
    assert result.changes == changes
