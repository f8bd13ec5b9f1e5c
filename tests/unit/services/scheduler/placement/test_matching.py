from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_agent import SimulatedAgent, used

from services.scheduler.definitions.app import App, Constraint, Container, Network, PortDefinition, PortMapping
from services.scheduler.placement.constraints import Tally
from services.scheduler.placement.matching import Match, Policy, Rejection, Remaining, match
from services.scheduler.placement.offer import Offer

WHEN = "2026-01-01T00:00:00.000Z"
APP = App(id="/a", version=WHEN, last_scaling_at=WHEN, last_config_change_at=WHEN, cpus=1, mem=100)
ANYWHERE = Policy()
BRIDGE = (Network("container/bridge"),)


def offered(role: str = "*", **agent: Any) -> Offer:
    return Offer.parse(SimulatedAgent("h", **agent).offer_document("o", "f", role))


def judged(app: App, offer: Offer, *, now: float = 0, policy: Policy = ANYWHERE) -> Match | Rejection:
    return match(app, Remaining(offer), Tally(app), now=now, policy=policy, rng=random.Random(1))


def reasons(app: App, offer: Offer, *, now: float = 0, policy: Policy = ANYWHERE) -> list[str]:
    result = judged(app, offer, now=now, policy=policy)
    return [str(reason) for reason in result.reasons] if isinstance(result, Rejection) else []


REJECTED: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "fits": ({}, {}, []),
    "cpus": ({"cpus": 8.001}, {}, ["InsufficientCpus"]),
    "all of the cpus": ({"cpus": 8}, {}, []),
    "memory": ({"mem": 20000}, {}, ["InsufficientMemory"]),
    "disk": ({"disk": 200_000}, {}, ["InsufficientDisk"]),
    "gpus": ({"gpus": 1}, {}, ["InsufficientGpus"]),
    "gpus are there": ({"gpus": 1}, {"gpus": 2}, []),
    "gpus are scarce": ({}, {"gpus": 2}, ["DeclinedScarceResources"]),
    "gpus, label": ({"labels": {"GPU_SCHEDULING_BEHAVIOR": "unrestricted"}}, {"gpus": 2}, []),
    "several": ({"cpus": 9, "mem": 20000}, {}, ["InsufficientCpus", "InsufficientMemory"]),
    "no such port": (
        {"port_definitions": (PortDefinition(80),), "require_ports": True},
        {},
        ["InsufficientPorts"],
    ),
    "any port will do": ({"port_definitions": (PortDefinition(80),)}, {}, []),
    "too many ports": ({"port_definitions": (PortDefinition(),) * 2}, {"ports": (1, 1)}, ["InsufficientPorts"]),
    "constraint": ({"constraints": (Constraint("rack", "LIKE", "x"),)}, {}, ["UnfulfilledConstraint"]),
    "other role": ({"role": "web"}, {}, ["UnfulfilledRole"]),
}


@pytest.mark.parametrize(("app", "agent", "expected"), REJECTED.values(), ids=REJECTED)
def test_reasons(app: dict[str, Any], agent: dict[str, Any], expected: list[str]) -> None:
    assert reasons(replace(APP, **app), offered(**agent)) == expected


def test_no_resource_of_an_accepted_role() -> None:
    app = replace(APP, role="web", accepted_resource_roles=("web",))
    assert reasons(app, offered("web"))[0] == "UnfulfilledRole"


def test_only_accepted_roles_count() -> None:
    agent = {"cpus": 1, "reserved": {"web": {"cpus": 2, "mem": 500}}}
    app = replace(APP, role="web", cpus=2.5)
    assert reasons(app, offered("web", **agent)) == []
    assert reasons(replace(app, accepted_resource_roles=("*",)), offered("web", **agent)) == ["InsufficientCpus"]


def test_reserved_ones_are_used_first() -> None:
    result = judged(replace(APP, role="web", cpus=2.5), offered("web", cpus=1, reserved={"web": {"cpus": 2}}))
    assert isinstance(result, Match)
    assert used(result.resources)[0] == {("cpus", "web"): 2000, ("cpus", "*"): 500, ("mem", "*"): 100_000}


def test_maintenance() -> None:
    period = {"start": {"nanoseconds": 100 * 10**9}, "duration": {"nanoseconds": 50 * 10**9}}
    offer = offered(unavailability=period)
    assert reasons(APP, offer, now=99) == []
    assert reasons(APP, offer, now=100) == ["AgentMaintenance"]
    assert reasons(APP, offer, now=150) == []
    assert reasons(APP, offer, now=95, policy=Policy(draining_seconds=10)) == ["AgentMaintenance"]
    assert reasons(APP, offer, now=100, policy=Policy(heed_maintenance=False)) == []


def test_gpus_need_not_be_scarce() -> None:
    assert reasons(APP, offered(gpus=2), policy=Policy(scarce_gpus=False)) == []


def test_other_regions_only_for_who_asks() -> None:
    policy, offer = Policy(home_region="eu"), offered(region="us", zone="1")
    assert reasons(APP, offer, policy=policy) == ["UnfulfilledConstraint"]
    asking = replace(APP, constraints=(Constraint("@region", "IS", "us"),))
    assert reasons(asking, offer, policy=policy) == []


def test_ports_of_mappings() -> None:
    mappings = (PortMapping(80, host_port=0), PortMapping(81, host_port=None), PortMapping(82, host_port=31007))
    app = replace(APP, networks=BRIDGE, container=Container(image="i", port_mappings=mappings))
    result = judged(app, offered())
    assert isinstance(result, Match)
    first, second, third = result.ports
    assert first is not None and 31000 <= first <= 31999 and (second, third) == (None, 31007)
    assert result.host_ports == (first, 31007)
    assert sorted(used(result.resources)[1]) == sorted([first, 31007])


def test_an_instance_of_it() -> None:
    result = judged(replace(APP, port_definitions=(PortDefinition(),)), offered(attributes={"rack": "1"}, region="eu"))
    assert isinstance(result, Match)
    instance = result.instance(APP, staged_at=WHEN)
    assert (instance.app_id, instance.version, instance.agent_id, instance.hostname) == ("/a", WHEN, "agent-h", "h")
    assert (instance.attributes, instance.region, instance.host_ports) == ({"rack": "1"}, "eu", result.host_ports)
    assert instance.id.startswith("a.instance-")


def test_a_match_is_for_one_state_of_the_offer() -> None:
    remaining, app = Remaining(offered(cpus=1)), replace(APP, cpus=1)
    result = match(app, remaining, Tally(app), now=0)
    assert isinstance(result, Match)
    remaining.take(result)
    with pytest.raises(ValueError, match="only 0 thousandths of cpus are left, not 1000"):
        remaining.take(result)


WANTS = st.builds(
    lambda cpus, mem, ports, role: replace(
        APP,
        cpus=cpus / 10,
        mem=mem,
        role="web",
        port_definitions=(PortDefinition(),) * ports,
        accepted_resource_roles=role,
    ),
    st.integers(1, 25),
    st.integers(1, 200),
    st.integers(0, 3),
    st.sampled_from([(), ("*",), ("web",), ("*", "web")]),
)


@given(st.lists(WANTS, max_size=12), st.integers(1, 60), st.integers(0, 40), st.randoms())
def test_many_in_one_offer_never_use_more_than_there_is(
    apps: list[App], cpus: int, reserved: int, rng: random.Random
) -> None:
    agent = SimulatedAgent("h", cpus=cpus / 10, mem=600, ports=(100, 107), reserved={"web": {"cpus": reserved / 10}})
    remaining = Remaining(Offer.parse(agent.offer_document("o", "f", "web")))
    ports: list[int] = []
    for app in apps:
        result = match(app, remaining, Tally(app), now=0, rng=rng)
        if isinstance(result, Rejection):
            assert result.reasons
            continue
        remaining.take(result)
        uses, taken = used(result.resources)
        assert sum(amount for (name, _), amount in uses.items() if name == "cpus") == round(app.cpus * 1000)
        assert {role for _, role in uses} <= set(app.accepted_resource_roles or ("*", "web"))
        agent.free.subtract(uses)
        ports += taken
    assert min(agent.free.values()) >= 0
    assert len(set(ports)) == len(ports)
    assert {(r.name, r.role): left for r, left in remaining.scalars} == dict(agent.free)
