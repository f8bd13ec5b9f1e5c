"""Walking returns: data in, verdict out."""

from __future__ import annotations

from typing import Any

import pytest

from bootstrap.salt_returns import NodeReturn, not_holding, walk


def state(result: bool | None = True, changes: dict[str, Any] | None = None, comment: Any = "", **more: Any) -> dict:
    return {"result": result, "changes": changes or {}, "comment": comment, "__sls__": "zookeeper.config", **more}


FILE = "file_|-write the zookeeper configuration_|-/etc/zookeeper/zoo.cfg_|-managed"
UNIT = "service_|-run zookeeper_|-zookeeper_|-running"
PENDING = "restart_|-say whether zookeeper must restart_|-zookeeper_|-pending"
MARKED = "restart_|-mark zookeeper_|-zookeeper_|-marked"


def job(states: Any, retcode: int = 0) -> dict[str, Any]:
    return {"return": states, "retcode": retcode, "success": retcode == 0}


CASES = {
    "nothing to do": (job({FILE: state(), UNIT: state()}), 0, [], []),
    "two changes": (job({FILE: state(changes={"diff": "x"}), UNIT: state(changes={"zookeeper": True})}), 2, [], []),
    "a test run would change": (job({FILE: state(None, changes={"diff": "x"})}), 1, [], []),
    "a failed state": (job({FILE: state(False, comment="no such user")}, 2), 0, ["no such user"], []),
    "a failed state that changed something": (
        job({FILE: state(False, changes={"diff": "x"}, comment="half")}, 2),
        1,
        ["half"],
        [],
    ),
    "the cause comes before what follows from it": (
        job(
            {
                UNIT: state(False, comment="One or more requisite failed: zookeeper.config.write"),
                FILE: state(False, comment="disk full"),
            },
            2,
        ),
        0,
        ["disk full", "One or more requisite failed: zookeeper.config.write"],
        [],
    ),
    "a comment of several lines": (job({FILE: state(False, comment=["one", "two"])}, 2), 0, ["one\ntwo"], []),
    "a restart is pending": (
        job({PENDING: state(comment="pending", name="zookeeper"), FILE: state()}),
        0,
        [],
        ["zookeeper"],
    ),
    "no restart is pending": (job({PENDING: state(comment="none", name="zookeeper")}), 0, [], []),
    "a mark is not a question": (job({MARKED: state(comment="pending", name="zookeeper")}), 0, [], []),
    "rendering failed": (job(["Rendering SLS 'base:x' failed: Jinja error"], 1), 0, ["Rendering SLS"], []),
    "several rendering errors": (job(["a failed", "b failed"], 1), 0, ["a failed; b failed"], []),
    "an unknown function": (job("'state.apply' is not available.", 254), 0, ["is not available"], []),
    "a traceback": (job("Traceback ...\nKeyError: 'node'", 1), 0, ["KeyError"], []),
    "nothing at all": (job(None, 0), 0, ["returned nothing"], []),
    "no state": (job({}, 0), 0, ["no state was run"], []),
    "a bad code without a failed state": (job({FILE: state()}, 2), 0, ["ended with code 2"], []),
    "not a result": (job({FILE: "what"}, 0), 0, ["not a state's result"], []),
    "no return field": ({"retcode": 0}, 0, ["returned nothing"], []),
}


@pytest.mark.parametrize("name", CASES)
def test_walk(name: str) -> None:
    data, changes, failed, pending = CASES[name]
    result = walk("control-1", data, 1.5)
    assert isinstance(result, NodeReturn)
    assert (result.node, result.changes, result.seconds) == ("control-1", changes, 1.5)
    assert len(result.failed) == len(failed)
    for found, expected in zip(result.failed, failed, strict=True):
        assert expected in found.comment
    assert list(result.pending) == pending
    assert result.ok == (not failed)


def test_a_failed_state_tells_where_it_is() -> None:
    (failed,) = walk("n", job({FILE: state(False, comment="no", __id__="write it")}, 2), 0).failed
    assert str(failed) == "write it (zookeeper.config, file.managed): no"


DRY_RUNS: list[tuple[str, Any, list[str]]] = [
    ("every state holds", {"file_|-a_|-a_|-managed": {"result": True, "changes": {}}}, []),
    (
        "one would change",
        {"file_|-a_|-/a_|-managed": {"result": None, "changes": {}, "comment": "would be\nset"}},
        ["a: would be"],
    ),
    ("one tells its change", {"file_|-a_|-a_|-managed": {"result": True, "changes": {"diff": "x"}}}, ["a"]),
    ("one fails", {"file_|-a_|-a_|-managed": {"result": False, "changes": {}, "comment": None}}, ["a"]),
    (
        "a service waits for its restart",
        {"restart_|-a_|-zookeeper_|-pending": {"result": True, "changes": {}, "comment": "pending"}},
        ["a: pending"],
    ),
    (
        "no service waits",
        {"restart_|-a_|-zookeeper_|-pending": {"result": True, "changes": {}, "comment": "none"}},
        [],
    ),
    ("nothing was run", {}, ["the dry run gave no answer"]),
    ("nobody answered", None, ["the dry run gave no answer"]),
    ("it could not be rendered", ["Rendering SLS failed"], ["Rendering SLS failed"]),
]


@pytest.mark.parametrize(("states", "expected"), [case[1:] for case in DRY_RUNS], ids=[case[0] for case in DRY_RUNS])
def test_what_does_not_hold_in_a_dry_run(states: Any, expected: list[str]) -> None:
    assert not_holding(states) == expected
