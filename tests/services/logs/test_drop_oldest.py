"""rsyslog with `when_full: drop-oldest`: at the bound the oldest lines go, and as many are counted as are missing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from shipper_lab import Index, Shipper, drained, numbers
from waiting import eventually

pytestmark = pytest.mark.services

SECONDS = 30.0
MANY = 12000  # about five times what the buffer holds
LINE_BYTES = 2000  # by which it may be above its bound


def counted(shipper: Shipper, index: Index) -> int:
    """The newest line is found, and as many are counted as are missing: how many those are."""
    drained(shipper, index)
    lost = shipper.told()["lost"]
    assert shipper.written - len(index.lines) == lost
    return lost


def exact(shipper: Shipper, index: Index) -> int:
    """What is missing are the oldest lines as well."""
    lost = counted(shipper, index)
    assert numbers(index) == list(range(lost, shipper.written)), "what is missing is not the oldest"
    return lost


def all_read(shipper: Shipper) -> None:
    """Wait until every line is in the buffer, or thrown away, as some are."""

    def known() -> bool:
        told = shipper.told()
        return told["lost"] > 0 and told["lost"] + told["waiting"] == shipper.written

    eventually(known, SECONDS, "lines are not read, or none was thrown away")


def some_lost(shipper: Shipper) -> None:
    eventually(lambda: shipper.told()["lost"] > 0, SECONDS, "no line was thrown away")


@contextmanager
def watched(shipper: Shipper) -> Iterator[list[int]]:
    """The most bytes that the buffer has meanwhile."""
    most, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            most[0] = max(most[0], shipper.taken())

    thread = threading.Thread(target=watch)
    thread.start()
    yield most
    ended.set()
    thread.join()


def test_with_room_nothing_goes(shipper: Shipper, index: Index) -> None:
    shipper.start()
    shipper.write(1500)
    eventually(lambda: shipper.told()["waiting"] == 1500, SECONDS, "the lines do not wait")
    index.start()
    assert exact(shipper, index) == 0
    assert set(index.given.values()) == {1}


def test_the_oldest_go_and_are_counted(shipper: Shipper, index: Index) -> None:
    """Five times what there is room for, at once; the count is there after both have been started again."""
    shipper.start()
    with watched(shipper) as most:
        for _ in range(5):
            shipper.write(MANY // 5)
            time.sleep(0.2)
        all_read(shipper)
    assert most[0] <= shipper.bound() + LINE_BYTES
    before = shipper.told()["lost"]
    shipper.stop()
    shipper.start()
    assert shipper.told()["lost"] == before
    index.start()
    assert exact(shipper, index) >= before > MANY // 4


def test_killed_while_lines_go(shipper: Shipper, index: Index) -> None:
    """What is read and thrown away twice is counted once; what is found after all is counted no more.

    Lines that are read again are behind younger ones, so it need not be the very oldest that are missing.
    """
    shipper.start()
    for turn in range(6):
        shipper.write(MANY // 4)
        time.sleep(0.4)
        shipper.kill("rsyslog")
        if turn % 3 == 0:
            shipper.kill("relay")
            shipper.start_relay()
        shipper.start_rsyslog()
    index.start()
    assert counted(shipper, index) > 0


def test_lines_whose_answer_never_came(shipper: Shipper, index: Index) -> None:
    """They are neither lost nor counted, though the buffer was full meanwhile."""
    index.silent = True
    index.start()
    shipper.start()
    shipper.write(500)
    eventually(lambda: len(index.lines) > 0, SECONDS, "no line reached the index")
    index.stop()
    shipper.kill("rsyslog")
    shipper.start_rsyslog()
    shipper.write(MANY)
    some_lost(shipper)
    assert [path.stat().st_mode & 0o777 for path in (shipper.kept / "aside").iterdir()] == [0o600]
    index.silent = False
    index.start()
    counted(shipper, index)
    eventually(lambda: not list((shipper.kept / "aside").iterdir()), SECONDS, "what was in doubt is not settled")


@pytest.mark.parametrize("status", [429, 503])
def test_an_index_that_takes_no_line_just_now(shipper: Shipper, index: Index, status: int) -> None:
    index.status = status
    index.start()
    shipper.start()
    shipper.write(MANY)
    all_read(shipper)
    index.status = 0
    assert exact(shipper, index) > 0
    assert shipper.told()["refused"] == 0


def test_an_index_that_is_slow(shipper: Shipper, index: Index) -> None:
    """It takes less than is written: the oldest go meanwhile."""
    index.seconds = 0.3
    index.start()
    shipper.start()
    shipper.write(MANY)
    some_lost(shipper)
    index.seconds = 0
    assert counted(shipper, index) > 0


def test_refused_lines_are_kept(shipper: Shipper, index: Index) -> None:
    """As without the relay: once more without its fields, then into the file of what is refused."""
    index.status = 400
    index.start()
    shipper.start()
    shipper.write(100)
    eventually(lambda: shipper.told()["refused"] == 100, SECONDS, f"not refused: {shipper.told()}")
    assert len((shipper.buffer / "refused").read_text().splitlines()) == 100


def test_a_buffer_that_a_kill_has_torn(shipper: Shipper, index: Index) -> None:
    """The file that it goes on with is gone already: everything that is still in the logs is read again."""
    shipper.start()
    shipper.write(1500)
    eventually(lambda: shipper.told()["waiting"] == 1500, SECONDS, "the lines do not wait")
    shipper.kill("rsyslog")
    min(shipper.buffer.glob("containers.0*")).unlink()
    index.start()
    shipper.start_rsyslog()
    assert exact(shipper, index) == 0
