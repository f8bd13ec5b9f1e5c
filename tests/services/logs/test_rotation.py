"""rsyslog reads files that were rotated while it could not, as long as Docker keeps them: no line is missing."""

from __future__ import annotations

import random
import signal

import pytest
from shipper_lab import Index, Shipper, drained, numbers
from waiting import eventually

pytestmark = pytest.mark.services

SECONDS = 30.0
EARLIER = 300  # lines that were shipped before
LONG = 300  # lines: a file so long that its beginning is not read again when the shipper starts


@pytest.fixture
def running(shipper: Shipper, index: Index) -> Shipper:
    """A shipper that has shipped some lines."""
    index.start()
    shipper.start()
    shipper.write(EARLIER)
    drained(shipper, index)
    return shipper


def whole(shipper: Shipper, index: Index) -> None:
    """Every line is found, and none was given up."""
    eventually(
        lambda: numbers(index) == list(range(shipper.written)),
        SECONDS,
        lambda: missing(shipper, index) + shipper.said(),
    )
    assert shipper.told()["lost"] == 0


def missing(shipper: Shipper, index: Index) -> str:
    away = sorted(set(range(shipper.written)) - set(numbers(index)))
    return f"{len(away)} of {shipper.written} lines are missing, from {away[:1]} to {away[-1:]}\n"


def rotated_twice(shipper: Shipper) -> None:
    """Three files, none of them read to its end."""
    for _ in range(2):
        shipper.write(200)
        shipper.rotate()
    shipper.write(100)


def test_while_it_was_stopped(running: Shipper, index: Index) -> None:
    running.kill("rsyslog")
    rotated_twice(running)
    running.start_rsyslog()
    whole(running, index)


def test_while_it_hung(running: Shipper, index: Index) -> None:
    """As it does when its buffer is full and `when_full` is `block`."""
    running.signal("rsyslog", signal.SIGSTOP)
    rotated_twice(running)
    running.signal("rsyslog", signal.SIGCONT)
    whole(running, index)


def test_what_was_read_is_not_read_again_under_another_name(running: Shipper, index: Index) -> None:
    """Nor after a kill. But for the first file that is pushed out by the next one, and what is rotated meanwhile."""
    for _ in range(6):
        running.write(LONG)
        drained(running, index)
        running.rotate()
        eventually(running.has_open, SECONDS, "the new file is not read")
    rotated = running.written
    running.write(LONG)
    whole(running, index)
    given = given_of(index, rotated)
    assert set(given) <= {1, 2}
    assert given.count(2) < rotated / 2
    running.kill("rsyslog")
    running.start_rsyslog()
    running.write(1)
    whole(running, index)
    assert given_of(index, rotated) == given


def given_of(index: Index, count: int) -> list[int]:
    """How often the index was given each of the first lines."""
    times = {int(line["message"].split()[0]): index.given[identity] for identity, line in index.lines.items()}
    return [times[number] for number in range(count)]


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_while_files_are_rotated(running: Shipper, index: Index, seed: int) -> None:
    """Docker keeps two files besides the one it writes: while the shipper is away no more are rotated than these."""
    dice = random.Random(seed)
    for _ in range(6):
        for _ in range(dice.randint(1, 3)):
            running.write(dice.randint(50, 300))
            drained(running, index)
            running.rotate()
        running.write(dice.randint(1, 400))
        running.kill("rsyslog")
        for _ in range(dice.randint(0, 2)):
            running.write(dice.randint(1, 200))
            running.rotate()
        running.start_rsyslog()
        whole(running, index)


def test_the_beginning_of_a_file_is_read_again(shipper: Shipper, index: Index) -> None:
    """What the shipper notes there may be ahead of its buffer; further on it is not read again."""
    index.start()
    shipper.start()
    shipper.write(10)
    drained(shipper, index)
    shipper.kill("rsyslog")
    shipper.start_rsyslog()
    eventually(lambda: set(index.given.values()) == {2}, SECONDS, lambda: f"{index.given}\n{shipper.said()}")
    shipper.write(EARLIER)
    drained(shipper, index)
    shipper.kill("rsyslog")
    shipper.start_rsyslog()
    shipper.write(1)
    whole(shipper, index)
    assert given_of(index, 10) == [2] * 10
