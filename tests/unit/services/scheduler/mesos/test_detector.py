"""Which master leads."""

from __future__ import annotations

import asyncio
import json

import pytest

from services.scheduler.mesos.detector import ListDetector, NoLeaderError, ZooKeeperDetector, address, lowest

NODES = {
    "none": ([], None),
    "no master": (["log_replicas"], None),
    "one": (["json.info_0000000007", "log_replicas"], "json.info_0000000007"),
    "numbers, not text": (["json.info_10", "json.info_9"], "json.info_9"),
    "over the width of the counter": (["json.info_9999999999", "json.info_10000000000"], "json.info_9999999999"),
    "old format is not read": (["info_0000000001", "json.info_0000000002"], "json.info_0000000002"),
    "other nodes": (["json.info_", "json.info_x", "json.info_3"], "json.info_3"),
}


@pytest.mark.parametrize(("children", "leader"), NODES.values(), ids=NODES)
def test_lowest(children: list[str], leader: str | None) -> None:
    assert lowest(children) == leader


ADDRESSES = {
    "as Mesos writes it": (
        {"address": {"hostname": "control-1", "ip": "10.0.0.1", "port": 5050}, "ip": 16777226, "port": 5050},
        "10.0.0.1:5050",
    ),
    "by name": ({"address": {"hostname": "control-1", "port": 5051}}, "control-1:5051"),
    "without address": ({"hostname": "control-1", "port": 5050}, "control-1:5050"),
}


@pytest.mark.parametrize(("info", "where"), ADDRESSES.values(), ids=ADDRESSES)
def test_address(info: dict[str, object], where: str) -> None:
    assert address(json.dumps(info).encode()) == where


@pytest.mark.parametrize("data", [b"", b"not JSON", b"[]", b"{}", b'{"hostname":"a"}'])
def test_no_address(data: bytes) -> None:
    with pytest.raises(NoLeaderError):
        address(data)


def test_list_takes_turns() -> None:
    async def run() -> list[str]:
        detector = ListDetector(["http://m1:5050/", "m2:5050"])
        return [await detector.leader() for _ in range(3)]

    assert asyncio.run(run()) == ["m1:5050", "m2:5050", "m1:5050"]


def test_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="no master"):
        ListDetector([])


def test_zookeeper_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.scheduler.mesos.detector._TIMEOUT", 0.2)

    async def run() -> None:
        detector = ZooKeeperDetector("127.0.0.1:1", "/mesos", ("mesos", "secret"))
        try:
            with pytest.raises(NoLeaderError) as caught:
                await detector.leader()
            assert "secret" not in str(caught.value)
        finally:
            await detector.close()

    asyncio.run(run())
