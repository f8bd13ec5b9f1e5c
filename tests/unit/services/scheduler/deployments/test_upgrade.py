from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.definitions.app import UpgradeStrategy
from services.scheduler.deployments.upgrade import Member, Move, View, maximum_total, minimum_healthy, next_move


def members(prefix: str, text: str) -> tuple[Member, ...]:
    """`"h-h"`: three, the middle one not healthy."""
    return tuple(Member(f"{prefix}{number}", letter == "h") for number, letter in enumerate(text))


@pytest.mark.parametrize(
    ("instances", "minimum", "over", "low", "high"),
    [
        (10, 1.0, 1.0, 10, 20),
        (10, 0.5, 0.2, 5, 12),
        (3, 0.5, 0.0, 2, 3),
        (1, 0.0, 0.0, 0, 1),
        (100, 0.07, 0.15, 7, 115),
        (0, 1.0, 1.0, 0, 0),
    ],
)
def test_bounds(instances: int, minimum: float, over: float, low: int, high: int) -> None:
    strategy = UpgradeStrategy(minimum, over)
    assert (minimum_healthy(instances, strategy), maximum_total(instances, strategy)) == (low, high)


CASES = {
    "twice the room: all new at once": (3, (1.0, 1.0), View(members("o", "hhh"), ()), Move(launch=3)),
    "nothing while they start": (3, (1.0, 1.0), View(members("o", "hhh"), members("n", "---")), Move()),
    "one serves, one goes": (
        3,
        (1.0, 1.0),
        View(members("o", "hhh"), members("n", "h--")),
        Move(kill=("o0",)),
    ),
    "half may go at once": (4, (0.5, 0.0), View(members("o", "hhhh"), ()), Move(kill=("o0", "o1"))),
    "what is ending still takes room": (4, (0.5, 0.0), View(members("o", "hh"), (), leaving=2), Move()),
    "room again": (4, (0.5, 0.0), View(members("o", "hh"), (), leaving=1), Move(launch=1)),
    "equal bounds: one more": (2, (1.0, 0.0), View(members("o", "hh"), ()), Move(launch=1)),
    "equal bounds: only one more": (2, (1.0, 0.0), View(members("o", "hh"), (), queued=1), Move()),
    "equal bounds: it does not serve yet": (2, (1.0, 0.0), View(members("o", "hh"), members("n", "-")), Move()),
    "equal bounds: it serves": (2, (1.0, 0.0), View(members("o", "hh"), members("n", "h")), Move(kill=("o0",))),
    "equal bounds, room is left": (3, (1.0, 0.0), View(members("o", "h"), ()), Move(launch=2)),
    "unhealthy old ones go first": (3, (0.5, 0.0), View(members("o", "hh-"), ()), Move(kill=("o2",))),
    "unhealthy old ones are replaced, not dropped": (3, (1.0, 0.0), View(members("o", "---"), ()), Move(launch=1)),
    "fewer wanted than before": (
        2,
        (1.0, 0.0),
        View(members("o", "hhhhh"), ()),
        Move(kill=("o0", "o1", "o2")),
    ),
    "none wanted": (0, (1.0, 1.0), View(members("o", "hh"), ()), Move(kill=("o0", "o1"))),
    "more new ones than wanted": (1, (1.0, 1.0), View((), members("n", "h-h")), Move(kill=("n1", "n0"))),
    "a new one died": (2, (1.0, 1.0), View(members("o", "h"), members("n", "h")), Move(launch=1)),
    "all died": (2, (1.0, 1.0), View((), ()), Move(launch=2)),
    "done": (2, (1.0, 1.0), View((), members("n", "hh")), Move(done=True)),
    "not done: one is still ending": (2, (1.0, 1.0), View((), members("n", "hh"), leaving=1), Move()),
    "not done: not healthy": (2, (1.0, 1.0), View((), members("n", "h-")), Move()),
    "done with none": (0, (1.0, 1.0), View((), ()), Move(done=True)),
}


@pytest.mark.parametrize("name", CASES)
def test_next_move(name: str) -> None:
    instances, (minimum, over), view, expected = CASES[name]
    assert next_move(instances, UpgradeStrategy(minimum, over), view) == expected


@dataclass
class World:
    """Instances that start, die and end in an order that only the dice know."""

    dice: random.Random
    old: dict[str, bool]
    new: dict[str, bool] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    queued: int = 0
    made: int = 0

    def view(self) -> View:
        return View(
            old=[Member(name, healthy) for name, healthy in self.old.items()],
            new=[Member(name, healthy) for name, healthy in self.new.items()],
            leaving=len(self.leaving),
            queued=self.queued,
        )

    @property
    def healthy(self) -> int:
        return sum(self.old.values()) + sum(self.new.values())

    def apply(self, move: Move) -> None:
        for name in move.kill:
            del (self.old if name in self.old else self.new)[name]
            self.leaving.add(name)
        self.queued += move.launch

    def step(self, calamity: float) -> None:
        """Some of what may happen, happens; with `calamity` 0 only what leads on."""
        for name in [name for name in self.leaving if self.dice.random() < 0.5]:
            self.leaving.discard(name)
        for _ in range(self.queued):
            if self.dice.random() < 0.5:
                self.queued -= 1
                self.made += 1
                self.new[f"n{self.made}"] = False
        for group in (self.old, self.new):
            for name in list(group):
                if self.dice.random() < calamity:
                    del group[name]
                elif self.dice.random() < calamity:
                    group[name] = False
                elif group is self.new and self.dice.random() < 0.5:
                    group[name] = True


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    instances=st.integers(0, 12),
    before=st.lists(st.booleans(), max_size=16),
    minimum=st.floats(0, 1),
    over=st.floats(0, 1),
    calamities=st.integers(0, 60),
)
def test_bounds_hold_and_it_ends(
    seed: int, instances: int, before: list[bool], minimum: float, over: float, calamities: int
) -> None:
    strategy = UpgradeStrategy(minimum, over)
    low, high = minimum_healthy(instances, strategy), maximum_total(instances, strategy)
    world = World(random.Random(seed), {f"o{number}": healthy for number, healthy in enumerate(before)})
    for round_ in range(calamities + 400):
        view, healthy = world.view(), world.healthy
        move = next_move(instances, strategy, view)
        if move.done:
            assert not world.old
            assert len(world.new) == instances
            if round_ >= calamities:
                return
        world.apply(move)
        if move.kill:
            assert world.healthy >= min(low, healthy)
        if move.launch:
            assert world.view().total <= high + (low == high)
        assert len(world.new) + world.queued <= max(instances, len(view.new))
        world.step(0.15 if round_ < calamities else 0.0)
    pytest.fail(f"not done: {world}")
