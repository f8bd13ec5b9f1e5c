"""The sequence of the smoke phase, against a Marathon and an edge of a few lines."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from small_platform import Platform

from bootstrap.errors import NotReadyError, VerifyError
from bootstrap.health.net import Login
from bootstrap.smoke import marathon as marathon_module
from bootstrap.smoke import proof as proof_module
from bootstrap.smoke import sample
from bootstrap.smoke.edge import Edge
from bootstrap.smoke.marathon import Marathon, healthy
from bootstrap.smoke.proof import Proof


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    monkeypatch.setattr(proof_module, "DEPLOY_SECONDS", 0.5)
    monkeypatch.setattr(proof_module, "ROUTE_SECONDS", 0.5)
    monkeypatch.setattr(marathon_module, "POLL_SECONDS", 0.02)
    running = Platform()
    yield running
    running.close()


@pytest.fixture
def proof(platform: Platform) -> Proof:
    with socket.socket() as probe:  # an instance that does not run is passed over
        probe.bind(("127.0.0.1", 0))
        away = probe.getsockname()[1]
    login = Login("operator", "s3cret")
    ports = [server.server_address[1] for server in (platform.marathon, platform.edge, platform.router)]
    service = Marathon([f"http://127.0.0.1:{away}", f"http://127.0.0.1:{ports[0]}"], login)
    return Proof(service, [Edge("edge-1", "127.0.0.1", ports[1], ports[2], login)], "lab.example")


def test_all_of_it_and_then_nothing_is_left_to_do(platform: Platform, proof: Proof) -> None:
    assert not proof.holds()
    said: list[str] = []
    assert "none failed" in proof.show(said.append)
    assert said == [
        "deploying the sample application",
        "scaling it and rolling a new version under load",
        "removing the copy",
    ]
    assert set(platform.apps) == set(platform.rules) == {sample.HELLO}
    assert platform.apps[sample.HELLO]["instances"] == sample.INSTANCES
    platform.asked.clear()
    assert proof.holds()
    assert {method for method, _ in platform.asked} == {"GET"}
    assert platform.logins == {Login("operator", "s3cret").header}


def spoil_definition(platform: Platform) -> None:
    platform.apps[sample.HELLO]["labels"] = {}


def spoil_health(platform: Platform) -> None:
    platform.unhealthy = True


def spoil_rule(platform: Platform) -> None:
    platform.rules.clear()


def spoil_copy(platform: Platform) -> None:
    platform.apps[sample.SCRATCH] = dict(platform.apps[sample.HELLO])


@pytest.mark.parametrize("spoil", [spoil_definition, spoil_health, spoil_rule, spoil_copy])
def test_what_is_not_as_it_should_be_is_done_again(platform: Platform, proof: Proof, spoil) -> None:
    proof.show(lambda _text: None)
    spoil(platform)
    assert not proof.holds()
    platform.unhealthy = False
    proof.show(lambda _text: None)
    assert proof.holds()


def test_a_lost_request_fails_the_phase_and_the_copy_goes_all_the_same(
    platform: Platform, proof: Proof, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_module, "ROUTE_SECONDS", 5.0)
    platform.failing = 5
    with pytest.raises(VerifyError, match=r"of .* requests failed while a new version was rolled") as caught:
        proof.show(lambda _text: None)
    assert caught.value.lines[0].endswith(" times: status 502")
    assert sample.SCRATCH not in platform.apps


def test_instances_that_never_get_healthy_are_told_with_their_reasons(platform: Platform, proof: Proof) -> None:
    platform.unhealthy = True
    with pytest.raises(NotReadyError, match=r"/hello had not 3 healthy instances within 0.5 s") as caught:
        proof.show(lambda _text: None)
    assert "last failure on 10.0.0.1: no such image" in caught.value.lines
    assert "offers refused: InsufficientCpus (2 of 2)" in caught.value.lines


def test_no_marathon_at_all(proof: Proof) -> None:
    nobody = Marathon(proof.marathon.endpoints[:1], proof.marathon.login)
    with pytest.raises(NotReadyError, match="no Marathon answers") as caught:
        nobody.app("/hello")
    assert "refuses connections" in caught.value.lines[0]


def test_an_edge_that_answers_something_else(platform: Platform, proof: Proof) -> None:
    with pytest.raises(NotReadyError, match=r"nobody.localhost does not answer with status 200") as caught:
        proof.edges[0].await_status("nobody.localhost", 200, 0.2)
    assert caught.value.lines == ("status 404: nobody",)


@pytest.mark.parametrize(
    ("app", "count"),
    [
        ({"tasksRunning": 3, "tasksHealthy": 3}, 3),
        ({"tasksRunning": 3, "tasksHealthy": 2}, 0),
        ({}, 0),
    ],
)
def test_healthy_are_those_without_others_beside_them(app: dict[str, int], count: int) -> None:
    assert healthy(app) == count
