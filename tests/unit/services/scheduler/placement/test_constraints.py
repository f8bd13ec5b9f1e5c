from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.definitions.app import App, Constraint
from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.placement.constraints import Tally, Values, value_of

OLD, NEW = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"


@dataclass
class Spot:
    hostname: str
    attributes: dict[str, str] = field(default_factory=dict)
    region: str | None = None
    zone: str | None = None


def app(*constraints: tuple[str, ...]) -> App:
    wanted = tuple(Constraint(c[0], c[1], c[2] if len(c) > 2 else None) for c in constraints)  # type: ignore[arg-type]
    return App(id="/a", version=NEW, last_scaling_at=NEW, last_config_change_at=NEW, constraints=wanted)


def instance(number: int, spot: Spot, *, version: str = NEW, condition: Condition = Condition.RUNNING) -> Instance:
    return Instance(
        id=f"i-{number}",
        app_id="/a",
        version=version,
        role="*",
        agent_id=spot.hostname,
        hostname=spot.hostname,
        attributes=spot.attributes,
        region=spot.region,
        zone=spot.zone,
        host_ports=(),
        staged_at=NEW,
        condition=condition,
    )


def rack(name: str, hostname: str = "h") -> Spot:
    return Spot(hostname, {"rack": name})


# constraints, where instances run, where one more would: fits or not
CASES: dict[str, tuple[list[tuple[str, ...]], list[Spot], Spot, bool]] = {
    "none": ([], [Spot("a")], Spot("a"), True),
    "unique host: free": ([("hostname", "UNIQUE")], [Spot("a")], Spot("b"), True),
    "unique host: taken": ([("hostname", "UNIQUE")], [Spot("a")], Spot("a"), False),
    "unique @hostname": ([("@hostname", "UNIQUE")], [Spot("a")], Spot("a"), False),
    "unique attribute: free": ([("rack", "UNIQUE")], [rack("1")], rack("2"), True),
    "unique attribute: taken": ([("rack", "UNIQUE")], [rack("1", "x")], rack("1", "y"), False),
    "unique attribute: missing": ([("rack", "UNIQUE")], [], Spot("a"), False),
    "unique zone": ([("@zone", "UNIQUE")], [Spot("a", zone="z")], Spot("b", zone="z"), False),
    "no zone there": ([("@zone", "UNIQUE")], [], Spot("b"), False),
    "cluster: the first goes anywhere": ([("rack", "CLUSTER")], [], rack("1"), True),
    "cluster: beside the others": ([("rack", "CLUSTER")], [rack("1")], rack("1"), True),
    "cluster: elsewhere": ([("rack", "CLUSTER")], [rack("1")], rack("2"), False),
    "cluster with value: there": ([("rack", "CLUSTER", "1")], [], rack("1"), True),
    "cluster with value: elsewhere": ([("rack", "CLUSTER", "1")], [], rack("2"), False),
    "cluster with value, others are elsewhere": ([("rack", "CLUSTER", "1")], [rack("2")], rack("1"), False),
    "cluster host": ([("hostname", "CLUSTER", "a")], [Spot("a")], Spot("a"), True),
    "group: a new value": ([("rack", "GROUP_BY")], [rack("1")], rack("2"), True),
    "group: the smallest": ([("rack", "GROUP_BY")], [rack("1"), rack("1"), rack("2")], rack("2"), True),
    "group: not the smallest": ([("rack", "GROUP_BY")], [rack("1"), rack("1"), rack("2")], rack("1"), False),
    "group: only one known": ([("rack", "GROUP_BY")], [rack("1")], rack("1"), True),
    "group of 2: only one known": ([("rack", "GROUP_BY", "2")], [rack("1")], rack("1"), False),
    "group of 2: both there": ([("rack", "GROUP_BY", "2")], [rack("1"), rack("2")], rack("1"), True),
    "group by host": ([("hostname", "GROUP_BY")], [Spot("a"), Spot("a"), Spot("b")], Spot("a"), False),
    "group: attribute missing": ([("rack", "GROUP_BY")], [], Spot("a"), False),
    "max per: room": ([("rack", "MAX_PER", "2")], [rack("1")], rack("1"), True),
    "max per: full": ([("rack", "MAX_PER", "2")], [rack("1"), rack("1")], rack("1"), False),
    "max per: other": ([("rack", "MAX_PER", "2")], [rack("1"), rack("1")], rack("2"), True),
    "max per host": ([("hostname", "MAX_PER", "1")], [Spot("a")], Spot("a"), False),
    "like": ([("rack", "LIKE", "r[12]")], [], rack("r1"), True),
    "like: the whole value": ([("rack", "LIKE", "r[12]")], [], rack("r11"), False),
    "like: missing": ([("rack", "LIKE", ".*")], [], Spot("a"), False),
    "like host": ([("hostname", "LIKE", "a.*")], [], Spot("abc"), True),
    "like: no regular expression": ([("rack", "LIKE", "(")], [], rack("("), False),
    "unlike": ([("rack", "UNLIKE", "r[12]")], [], rack("r3"), True),
    "unlike: it is": ([("rack", "UNLIKE", "r[12]")], [], rack("r2"), False),
    "unlike: missing": ([("rack", "UNLIKE", ".*")], [], Spot("a"), True),
    "unlike: no regular expression": ([("rack", "UNLIKE", "(")], [], rack("x"), False),
    "is": ([("rack", "IS", "1")], [], rack("1"), True),
    "is: as numbers": ([("rack", "IS", "1.50")], [], rack("1.5"), True),
    "is not": ([("rack", "IS", "1")], [], rack("2"), False),
    "is: missing": ([("rack", "IS", "1")], [], Spot("a"), False),
    "is region": ([("@region", "IS", "eu")], [], Spot("a", region="eu"), True),
    "both hold": ([("hostname", "UNIQUE"), ("rack", "LIKE", "1")], [rack("1", "a")], rack("1", "b"), True),
    "one does not": ([("hostname", "UNIQUE"), ("rack", "LIKE", "1")], [rack("1", "a")], rack("2", "b"), False),
}


@pytest.mark.parametrize(("constraints", "running", "spot", "fits"), CASES.values(), ids=CASES)
def test_operators(constraints: list[tuple[str, ...]], running: list[Spot], spot: Spot, fits: bool) -> None:
    tally = Tally(app(*constraints), [instance(number, place) for number, place in enumerate(running)])
    assert tally.accepts(spot) is fits


@pytest.mark.parametrize("condition", [Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE, Condition.FAILED])
def test_lost_and_ended_ones_do_not_count(condition: Condition) -> None:
    tally = Tally(app(("hostname", "UNIQUE")), [instance(1, Spot("a"))])
    assert not tally.accepts(Spot("a"))
    tally.add(instance(1, Spot("a"), condition=condition))
    assert tally.accepts(Spot("a"))


def test_an_older_configuration_does_not_count() -> None:
    assert Tally(app(("hostname", "UNIQUE")), [instance(1, Spot("a"), version=OLD)]).accepts(Spot("a"))


def test_a_tally_is_for_one_configuration() -> None:
    tally = Tally(app(("hostname", "UNIQUE")))
    assert tally.is_for(app(("hostname", "UNIQUE")))
    assert not tally.is_for(app(("hostname", "CLUSTER")))


SPOTS = st.builds(
    Spot,
    st.sampled_from("abcd"),
    st.dictionaries(st.sampled_from(["rack", "disk"]), st.sampled_from("123"), max_size=2),
    st.sampled_from([None, "eu", "us"]),
    st.sampled_from([None, "z1", "z2"]),
)
FIELDS = st.sampled_from(["hostname", "@hostname", "rack", "disk", "@region", "@zone"])
CONSTRAINTS = st.lists(
    st.one_of(
        st.tuples(FIELDS, st.sampled_from(["UNIQUE", "CLUSTER", "GROUP_BY"])),
        st.tuples(FIELDS, st.just("CLUSTER"), st.sampled_from(["a", "1", "eu"])),
        st.tuples(FIELDS, st.sampled_from(["GROUP_BY", "MAX_PER"]), st.sampled_from("123")),
        st.tuples(FIELDS, st.sampled_from(["LIKE", "UNLIKE"]), st.sampled_from(["[a-c]", "1|2", "e.*", "z1"])),
        st.tuples(FIELDS, st.just("IS"), st.sampled_from(["a", "1", "eu"])),
    ),
    max_size=3,
)
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 7), SPOTS, st.sampled_from([None, Condition.RUNNING, Condition.FAILED, Condition.UNREACHABLE])
    ),
    max_size=40,
)


@given(CONSTRAINTS, CHANGES, SPOTS)
def test_kept_up_to_date_or_counted_anew_is_the_same(
    constraints: list[tuple[str, ...]], changes: list[tuple[int, Spot, Condition | None]], spot: Spot
) -> None:
    wanted = app(*constraints)
    tally, present = Tally(wanted), dict[str, Instance]()
    for number, place, condition in changes:
        if condition is None:
            tally.remove(f"i-{number}")
            present.pop(f"i-{number}", None)
        else:
            changed = instance(number, place, condition=condition)
            tally.add(changed)
            present[changed.id] = changed
    anew = Tally(wanted, present.values())
    assert len(tally) == len(anew)
    for name, values in tally.values.items():
        assert values.counts == anew.values[name].counts
        assert values.smallest == min(values.counts.values(), default=0)
    assert tally.accepts(spot) is anew.accepts(spot)


@given(CONSTRAINTS, st.lists(SPOTS, max_size=30))
def test_what_is_accepted_violates_nothing(constraints: list[tuple[str, ...]], spots: list[Spot]) -> None:
    """Place wherever it is accepted; then look at the whole result with the plain meaning of each operator."""
    tally, placed = Tally(app(*constraints)), list[Spot]()
    for number, spot in enumerate(spots):
        if tally.accepts(spot):
            tally.add(instance(number, spot))
            placed.append(spot)
    for constraint in constraints:
        name, operator, value = (*constraint, "")[:3]
        seen = [value_of(spot, name) for spot in placed]
        counts = Counter(seen)
        assert operator == "UNLIKE" or None not in counts
        if operator == "UNIQUE":
            assert all(count == 1 for count in counts.values())
        elif operator == "CLUSTER":
            assert len(counts) <= 1 and (not value or set(counts) <= {value})
        elif operator == "MAX_PER":
            assert all(count <= int(value) for count in counts.values())
        elif operator == "IS":
            assert set(counts) <= {value}
        elif operator == "GROUP_BY":
            assert evenly_in_each_step(seen, int(value or 0))


def evenly_in_each_step(seen: list[str | None], minimum: int) -> bool:
    """Nothing was put on top while there were fewer, or too few, values."""
    counts: Counter[str | None] = Counter()
    for value in seen:
        if value in counts and (len(counts) < minimum or counts[value] > min(counts.values())):
            return False
        counts[value] += 1
    return True


def test_the_smallest_count_is_known() -> None:
    values = Values()
    for value in "aab":
        values.change(value, 1)
    assert values.smallest == 1
    values.change("b", -1)
    assert (values.smallest, set(values.counts)) == (2, {"a"})
