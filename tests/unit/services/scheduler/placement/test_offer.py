from __future__ import annotations

import pytest
from simulated_agent import Json, SimulatedAgent

from services.scheduler.placement.offer import Offer, attribute_text


def test_everything_of_an_offer() -> None:
    agent = SimulatedAgent("a-1", cpus=1.5, attributes={"rack": "r1"}, region="eu", zone="eu-1")
    offer = Offer.parse(agent.offer_document("o-1", "f-1", "*"))
    assert (offer.id, offer.agent_id, offer.hostname, offer.allocated_role) == ("o-1", "agent-a-1", "a-1", "*")
    assert (offer.attributes, offer.region, offer.zone) == ({"rack": "r1"}, "eu", "eu-1")
    assert {(r.name, r.role): r.amount for r in offer.resources if r.name == "cpus"} == {("cpus", "*"): 1500}
    assert next(r for r in offer.resources if r.name == "ports").ranges == ((31000, 31999),)


@pytest.mark.parametrize("refined", [False, True])
def test_a_reserved_part_goes_back_as_it_came(refined: bool) -> None:
    agent = SimulatedAgent("a-1", cpus=1, reserved={"web": {"cpus": 2}})
    offer = Offer.parse(agent.offer_document("o-1", "f-1", "web", refined=refined))
    reserved = next(r for r in offer.resources if r.role == "web")
    document = reserved.scalar(250)
    assert document["scalar"] == {"value": 0.25}
    assert document["allocation_info"] == {"role": "web"}
    assert ("reservations" in document, "role" in document) == (refined, not refined)


ATTRIBUTES = {
    "text": ({"type": "TEXT", "text": {"value": "r-1"}}, "r-1"),
    "whole number": ({"type": "SCALAR", "scalar": {"value": 3.0}}, "3"),
    "three digits": ({"type": "SCALAR", "scalar": {"value": 1234.56789}}, "1234.568"),
    "ranges": ({"type": "RANGES", "ranges": {"range": [{"begin": 7, "end": 9}, {"begin": 1, "end": 3}]}}, "[1-3,7-9]"),
    "set": ({"type": "SET", "set": {"item": ["b", "a"]}}, "{a,b}"),
    "empty set": ({"type": "SET", "set": {}}, "{}"),
}


@pytest.mark.parametrize(("attribute", "text"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_attributes_as_text(attribute: Json, text: str) -> None:
    assert attribute_text(attribute) == text


RESIDENT = {"labels": {"labels": [{"key": "marathon_task_id", "value": "t"}]}}
NOT_FOR_US = {
    "revocable": {"revocable": {}},
    "a volume's": {"disk": {"persistence": {"id": "v"}}},
    "shared": {"shared": {}},
    "of a resident task, old format": {"reservation": RESIDENT},
    "of a resident task, new format": {"reservations": [{"role": "*", **RESIDENT}]},
}


@pytest.mark.parametrize("mark", NOT_FOR_US.values(), ids=NOT_FOR_US)
def test_what_is_not_used(mark: Json) -> None:
    document = SimulatedAgent("a-1").offer_document("o-1", "f-1", "*")
    document["resources"] = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}, **mark}]
    assert Offer.parse(document).resources == ()


def test_sums_are_exact() -> None:
    agent = SimulatedAgent("a-1", cpus=0.3)
    assert Offer.parse(agent.offer_document("o", "f", "*")).resources[0].amount == 3 * 100


def test_maintenance() -> None:
    begin, duration = {"nanoseconds": 10_000_000_000}, {"nanoseconds": 5_000_000_000}
    agent = SimulatedAgent("a-1", unavailability={"start": begin, "duration": duration})
    offer = Offer.parse(agent.offer_document("o", "f", "*"))
    assert (offer.unavailable_from, offer.unavailable_until) == (10.0, 15.0)
