from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.definitions.app import PortMapping
from services.scheduler.placement.offer import Resource
from services.scheduler.placement.ports import FreePorts, Slot, assigned, choose


def free(*ranges: tuple[int, int], role: str = "*") -> FreePorts:
    return FreePorts(Resource("ports", role, {"name": "ports", "type": "RANGES", "role": role}, ranges=ranges))


# wanted host ports, free ranges, the only possible outcome
CASES = {
    "none": ([], [free()], []),
    "fixed": ([80], [free((80, 80))], [80]),
    "fixed, not offered": ([80], [free((81, 90))], None),
    "not on the host": ([None, 80], [free((80, 80))], [None, 80]),
    "any of one": ([0], [free((31000, 31000))], [31000]),
    "any, but not the fixed one": ([0, 80], [free((80, 81))], [81, 80]),
    "too few": ([0, 0], [free((31000, 31000))], None),
    "fixed, in another resource": ([80], [free((31000, 31001)), free((80, 80))], [80]),
    "nothing offered": ([0], [], None),
}


@pytest.mark.parametrize(("wanted", "offered", "chosen"), CASES.values(), ids=CASES)
def test_choice(wanted: list[int | None], offered: list[FreePorts], chosen: list[int | None] | None) -> None:
    assert choose([Slot(port) for port in wanted], offered, random.Random(1)) == chosen


def test_one_number_for_two_protocols() -> None:
    dns = [Slot(53, "tcp"), Slot(53, "udp")]
    assert choose(dns, [free((53, 53))], random.Random(1)) == [53, 53]
    assert choose([*dns, Slot(53, "udp")], [free((53, 53))], random.Random(1)) is None


def test_random_ones_follow_each_other() -> None:
    ports = choose([Slot(0)] * 5, [free((31000, 31999))], random.Random(7))
    assert ports is not None
    assert sum(b - a == 1 for a, b in pairwise(p for p in ports if p)) >= 3  # the end of the range may be between


def test_they_are_not_always_the_same() -> None:
    rng = random.Random(3)
    assert len({tuple(choose([Slot(0)], [free((31000, 31999))], rng) or ()) for _ in range(20)}) > 10


RANGES = st.lists(st.integers(0, 60), min_size=2, max_size=10, unique=True).map(
    lambda edges: [(a, b) for a, b in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)]
)


@given(
    RANGES,
    st.lists(st.lists(st.one_of(st.none(), st.just(0), st.integers(1, 60)), max_size=5), max_size=8),
    st.randoms(),
)
def test_no_port_is_given_twice(
    ranges: list[tuple[int, int]], tasks: list[list[int | None]], rng: random.Random
) -> None:
    offered = {port for begin, end in ranges for port in range(begin, end + 1)}
    left, given_away = free(*ranges), list[int]()
    for wanted in tasks:
        chosen = choose([Slot(port) for port in wanted], [left], rng)
        rest = offered - set(given_away)
        fixed = [port for port in wanted if port]
        fits = len(set(fixed)) == len(fixed) and set(fixed) <= rest and wanted.count(0) <= len(rest) - len(fixed)
        assert (chosen is not None) is fits
        for want, port in zip(wanted, chosen or [], strict=False):
            assert (port is None) is (want is None)
            assert port == want or want == 0
            if port is not None:
                left.take(port)
                given_away.append(port)
    assert len(set(given_away)) == len(given_away)
    assert set(given_away) <= offered
    assert len(left) == len(offered) - len(given_away)


def test_a_port_cannot_be_taken_twice() -> None:
    part = free((1, 3))
    part.take(2)
    assert part.ranges == [(1, 1), (3, 3)]
    with pytest.raises(ValueError, match="port 2 is not free"):
        part.take(2)


MAPPINGS = {
    "given": (PortMapping(container_port=80), 31000, 80),
    "the host's": (PortMapping(container_port=0), 31000, 31000),
    "not on the host": (PortMapping(container_port=80, host_port=None), None, 80),
}


@pytest.mark.parametrize(("mapping", "host", "inside"), MAPPINGS.values(), ids=MAPPINGS)
def test_container_port(mapping: PortMapping, host: int | None, inside: int) -> None:
    result = assigned(mapping, host, "t-1", set())
    assert (result.container_port, result.host_port) == (inside, host)


def test_a_container_port_that_nobody_named_is_free_and_stays() -> None:
    mapping = PortMapping(container_port=0, host_port=None)
    port = assigned(mapping, None, "t-1", {8080}).container_port
    assert port > 1024
    assert port == assigned(mapping, None, "t-1", {8080}).container_port
    assert port != assigned(mapping, None, "t-1", {8080, port}).container_port
