"""What phases share: the checks begun beside the dry run are believed only when nothing had to change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bootstrap import settled as dry_run
from bootstrap import verified, verify
from bootstrap.phases import Context


class Checks:
    """Stands for verify.Verification; all of them are in `made`."""

    made: list[Checks]

    def __init__(self, cluster: object) -> None:
        self.cluster = cluster
        self.ended = ""
        Checks.made.append(self)

    def verdict(self, _progress: object) -> str:
        self.ended = "asked"
        return f"verdict {Checks.made.index(self)}"

    def abandon(self) -> None:
        self.ended = "abandoned"

    def terminate(self) -> None:
        self.ended = "terminated"


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Any:
    Checks.made = []
    monkeypatch.setattr(verify, "Verification", Checks)
    made = Context(SimpleNamespace(cluster="cluster"), lambda *_: None)  # type: ignore[arg-type]
    made._salt = SimpleNamespace(closed=0)  # type: ignore[assignment]
    made._salt.close = lambda: setattr(made._salt, "closed", made._salt.closed + 1)  # type: ignore[union-attr,method-assign]
    return made


def answer(monkeypatch: pytest.MonkeyPatch, said: bool) -> None:
    monkeypatch.setattr(dry_run, "settled", lambda _unsealed, _salt, _token: said)


@pytest.mark.parametrize(
    ("will_verify", "said", "begun"),
    [(True, True, ["asked"]), (True, False, ["abandoned", "asked"]), (False, True, ["asked"])],
)
def test_checks_begin_beside_the_dry_run(
    context: Any, monkeypatch: pytest.MonkeyPatch, will_verify: bool, said: bool, begun: list[str]
) -> None:
    answer(monkeypatch, said)
    context.will_verify = will_verify
    context.minions_were_right(["a-1"])
    assert context.settled is said
    assert len(Checks.made) == int(will_verify)
    assert context.verdict(lambda *_: None) == f"verdict {len(begun) - 1}"
    assert [checks.ended for checks in Checks.made] == begun


def test_a_change_after_the_dry_run_makes_the_checks_begin_anew(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, True)
    context.will_verify = True
    context.minions_were_right(["a-1"])
    assert context.settled
    context.changed()
    assert context.verdict(lambda *_: None) == "verdict 1"
    assert [checks.ended for checks in Checks.made] == ["abandoned", "asked"]


def test_a_dry_run_is_of_what_is_not_sealed(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(dry_run, "settled", lambda *given: asked.append(given) or True)
    context.served = "token"
    context.minions_were_right(["a-2"])
    assert context.settled
    assert context.settled
    assert asked == [(("a-2",), context.salt, "token")]


@pytest.mark.parametrize(("known", "will_verify", "begun"), [(True, True, 1), (False, True, 0), (True, False, 0)])
def test_after_a_verified_run_of_the_same_files_checks_begin_with_the_machines(
    context: Any, monkeypatch: pytest.MonkeyPatch, known: bool, will_verify: bool, begun: int
) -> None:
    monkeypatch.setattr(verified, "is_as_now", lambda _cluster: known)
    context.will_verify = will_verify
    context.machines_were_there()
    assert len(Checks.made) == begun


@pytest.mark.parametrize(("said", "ended"), [(True, ["asked"]), (False, ["abandoned", "asked"])])
def test_checks_that_began_with_the_machines_count_where_nothing_changes(
    context: Any, monkeypatch: pytest.MonkeyPatch, said: bool, ended: list[str]
) -> None:
    monkeypatch.setattr(verified, "is_as_now", lambda _cluster: True)
    answer(monkeypatch, said)
    context.will_verify = True
    context.machines_were_there()
    context.minions_were_right(["a-1"])
    assert context.settled is said
    context.verdict(lambda *_: None)
    assert [checks.ended for checks in Checks.made] == ended


def test_nothing_is_asked_of_minions_that_were_not_right(context: Any) -> None:
    context.will_verify = True
    assert context.settled is False
    assert Checks.made == []


def test_a_dry_run_that_fails_is_no_reason_to_believe(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bool:
        raise OSError("no API")

    monkeypatch.setattr(dry_run, "settled", fails)
    context.minions_were_right(["a-1"])
    with pytest.raises(OSError, match="no API"):
        _ = context.settled
    assert context.settled is False


def test_the_end_of_a_run_ends_what_it_began(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, True)
    context.will_verify = True
    context.minions_were_right(["a-1"])
    assert context.settled
    context.interrupt()
    assert Checks.made[0].ended == "terminated"
    context.close()
    assert Checks.made[0].ended == "abandoned"
    assert context._salt.closed == 1
