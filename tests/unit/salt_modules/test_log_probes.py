"""The probes of shippers and aggregators: what they say of each other, over TLS that is verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forward_protocol import aggregators

from bootstrap.certificates import Authority

NAME = "control-1.lab.example"
Serve = Callable[..., int]
Probe = Callable[..., dict[str, Any]]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    return Authority("lab")


@pytest.fixture
def serve(authority: Authority, tmp_path: Path) -> Iterator[Serve]:
    """An aggregator with a certificate of NAME; its port."""
    certificate, key = authority.issue("control-1", [NAME], ["127.0.0.1"])
    (tmp_path / "node.crt").write_bytes(certificate)
    (tmp_path / "node.key").write_bytes(key)
    with aggregators(tmp_path / "node.crt", tmp_path / "node.key", "the key") as start:
        yield start


@pytest.fixture
def probe(load: Callable[..., Any], authority: Authority) -> Probe:
    """`probe(name, places, running=...)` on control-1; the index knows the login."""

    def ask(name: str, *places: tuple[str, int], running: bool = True, port: int = 1) -> dict[str, Any]:
        pillar = {
            "node": {"name": "control-1", "address": "127.0.0.1"},
            "domain": "lab.example",
            "components": ["fluentd"],
            "logs": {
                "aggregators": [{"name": name, "host": "127.0.0.1", "port": port} for name, port in places],
                "aggregators_ca": str(authority.ca_path),
                "aggregator_port": port,
            },
        }
        module = load("_modules/readiness", pillar=pillar, salt={"cmd.retcode": lambda *_, **__: 0 if running else 3})
        vars(module).update(CA=str(authority.ca_path), TIMEOUT=3)
        module._index_takes = lambda unit: {"ready": True, "mode": "", "detail": f"{unit} ships to the index"}
        return dict(module.probe(name))

    return ask


def test_a_shipper_is_ready_when_one_aggregator_greets_it(serve: Serve, probe: Probe) -> None:
    found = probe("logs", (NAME, 1), (NAME, serve()))
    assert found == {"ready": True, "mode": "", "detail": "fluentd sends to 127.0.0.1"}
    assert probe("logs", ("", serve()))["ready"], "somebody else's, by address"


def test_a_shipper_without_aggregators_asks_the_index(probe: Probe) -> None:
    assert probe("logs")["detail"] == "fluentd ships to the index"


@pytest.mark.parametrize(
    ("name", "greets", "why"),
    [(NAME, False, "does not greet as an aggregator does"), ("control-2.lab.example", True, "Hostname mismatch")],
)
def test_a_shipper_whose_aggregators_are_others_is_not_ready(
    serve: Serve, probe: Probe, name: str, greets: bool, why: str
) -> None:
    found = probe("logs", (name, serve(greets=greets)))
    assert found["ready"] is False
    assert found["detail"].startswith("no aggregator takes lines: 127.0.0.1: ")
    assert why in found["detail"]


def test_a_shipper_that_does_not_run_is_not_ready(serve: Serve, probe: Probe) -> None:
    assert probe("logs", (NAME, serve()), running=False)["detail"] == "fluentd does not run"


def test_an_aggregator_is_ready_when_it_greets_and_the_index_knows_it(serve: Serve, probe: Probe) -> None:
    assert probe("log-aggregator", port=serve())["detail"] == "fluentd-aggregator ships to the index"
    assert not probe("log-aggregator", port=serve(greets=False))["ready"]
    assert not probe("log-aggregator")["ready"], "nothing listens"
    assert not probe("log-aggregator", port=serve(), running=False)["ready"]
