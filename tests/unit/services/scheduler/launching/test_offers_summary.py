"""The answer to "why does it not start?"."""

from __future__ import annotations

import json
from typing import Any

from simulated_agent import SimulatedAgent

from services.scheduler.launching.offers_summary import OffersSummary, offer_document
from services.scheduler.placement.matching import Reason
from services.scheduler.placement.offer import Offer


def an_offer(name: str, **fields: object) -> Offer:
    return Offer.parse(SimulatedAgent(name, **fields).offer_document(f"o-{name}", "f", "*"))  # type: ignore[arg-type]


A, B, C = an_offer("a"), an_offer("b"), an_offer("c")
MEMORY, ROLE = Reason.INSUFFICIENT_MEMORY, Reason.UNFULFILLED_ROLE


def shown(summary: OffersSummary) -> Any:
    return json.loads(summary.document())


def declined(steps: list[dict[str, object]]) -> dict[str, tuple[object, object]]:
    return {str(step["reason"]): (step["declined"], step["processed"]) for step in steps if step["processed"]}


def test_nothing_seen_yet() -> None:
    document = shown(OffersSummary())
    assert (document["processedOffersCount"], document["unusedOffersCount"]) == (0, 0)
    assert "lastUsedOfferAt" not in document
    assert [step["reason"] for step in document["rejectSummaryLastOffers"]] == [reason.value for reason in Reason]


def test_each_reason_with_how_many_came_so_far() -> None:
    summary = OffersSummary()
    summary.used(A, "t1")
    summary.rejected(B, [ROLE, MEMORY], "t2")
    summary.rejected(C, [MEMORY], "t3")
    document = shown(summary)
    assert (document["processedOffersCount"], document["unusedOffersCount"]) == (3, 2)
    assert (document["lastUsedOfferAt"], document["lastUnusedOfferAt"]) == ("t1", "t3")
    steps = declined(document["rejectSummaryLastOffers"])
    assert steps["UnfulfilledRole"] == (1, 3)
    assert steps["InsufficientCpus"] == (0, 2)
    assert steps["InsufficientMemory"] == (1, 2)
    assert steps["InsufficientPorts"] == (0, 1)
    assert declined(document["rejectSummaryLaunchAttempt"])["InsufficientMemory"] == (1, 1)


def test_only_the_last_judgement_on_an_agent_counts() -> None:
    summary = OffersSummary()
    for _ in range(5):
        summary.rejected(A, [ROLE], "t")
    summary.rejected(A, [MEMORY], "t")
    steps = declined(shown(summary)["rejectSummaryLastOffers"])
    assert steps["UnfulfilledRole"] == (0, 1)
    assert steps["InsufficientMemory"] == (1, 1)
    assert declined(shown(summary)["rejectSummaryLaunchAttempt"])["UnfulfilledRole"] == (5, 6)


def test_it_is_made_anew_only_when_something_changed() -> None:
    summary = OffersSummary()
    summary.rejected(A, [ROLE], "t1")
    first = summary.document()
    assert summary.document() is first
    summary.rejected(B, [MEMORY], "t2")
    assert declined(shown(summary)["rejectSummaryLaunchAttempt"])["UnfulfilledRole"] == (1, 2)
    summary.new_attempt()
    assert declined(shown(summary)["rejectSummaryLaunchAttempt"]) == {}
    assert declined(shown(summary)["rejectSummaryLastOffers"])["InsufficientMemory"] == (1, 1)
    summary.used(B, "t3")
    assert declined(shown(summary)["rejectSummaryLastOffers"])["InsufficientMemory"] == (0, 1)


def test_the_judgements_on_as_many_agents_as_are_kept() -> None:
    summary = OffersSummary()
    for number in range(1200):
        summary.rejected(an_offer(f"a-{number % 600}"), [MEMORY if number < 600 else ROLE], "t")
    steps = declined(shown(summary)["rejectSummaryLastOffers"])
    assert steps["UnfulfilledRole"] == (500, 500)
    assert "InsufficientMemory" not in steps


def test_few_unused_offers_are_kept() -> None:
    summary = OffersSummary()
    for number in range(30):
        summary.rejected(an_offer(f"a-{number}"), [MEMORY], f"t{number}")
    unused = summary.unused_document()
    assert [entry["timestamp"] for entry in unused] == [f"t{number}" for number in range(20, 30)]
    assert unused[-1]["reason"] == ["InsufficientMemory"]


def test_an_offer_as_the_api_shows_it() -> None:
    offer = an_offer("a", cpus=2, mem=512, disk=0, ports=(1, 3), attributes={"rack": "r1"})
    assert offer_document(offer) == {
        "id": "o-a",
        "hostname": "a",
        "agentId": "agent-a",
        "resources": [
            {"name": "cpus", "scalar": 2.0, "role": "*"},
            {"name": "mem", "scalar": 512.0, "role": "*"},
            {"name": "ports", "ranges": [{"begin": 1, "end": 3}], "role": "*"},
        ],
        "attributes": [{"name": "rack", "text": "r1"}],
    }
