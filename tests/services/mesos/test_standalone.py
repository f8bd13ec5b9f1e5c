"""One master without ZooKeeper: registry on disk or in memory, access control, an agent that finds it by address."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

ACLS = {"view_flags": [{"principals": {"type": "ANY"}, "flags": {"type": "NONE"}}], "permissive": True}


@pytest.fixture(scope="module")
def standalone(installed: Any, work: Path, make_process: Any) -> tuple[Any, Any]:
    """A master with its registry on disk and an agent of it, without authentication; the agent has ACLs as well."""
    (work / "acls").write_text(json.dumps(ACLS))
    master = make_process(
        installed.master,
        "standalone",
        work_dir=f"{work}/standalone",
        acls=f"file://{work}/acls",
        # An agent that knows its master by address learns of its restart only by the pings that do not come.
        agent_ping_timeout="1secs",
        max_agent_ping_timeouts="2",
    )
    agent = make_process(
        installed.agent,
        "standalone-agent",
        master=master.address,
        work_dir=f"{work}/standalone-agent",
        runtime_dir=f"{work}/standalone-agent-run",
        launcher="posix",
        acls=f"{work}/acls",
        resources="cpus:1;mem:256;disk:64",
    )
    master.start()
    agent.start()
    return master, agent


def active_agents(master: Any) -> list[Any]:
    """Empty as well while the master does not answer yet."""
    try:
        return [agent for agent in master.ask("/slaves").json()["slaves"] if agent["active"]]
    except (OSError, ValueError):
        return []


def test_the_registry_is_kept_on_disk(standalone: Any) -> None:
    master, _ = standalone
    before = eventually(lambda: active_agents(master), 30, f"no agent:\n{master.tail()}")
    master.end(signal.SIGKILL)
    master.start()
    after = eventually(lambda: active_agents(master), 30, f"no agent after the restart:\n{master.tail()}")
    assert [agent["id"] for agent in after] == [agent["id"] for agent in before]


def test_access_control_lists_are_in_force(standalone: Any) -> None:
    for process in standalone:
        process.wait_until_healthy()
        assert process.ask("/flags").status == 403
        assert process.ask("/version").status == 200


def test_the_registry_in_memory(installed: Any, make_process: Any) -> None:
    master = make_process(installed.master, "in-memory", registry="in_memory")
    master.start()
    master.wait_until_healthy()
    leader = eventually(lambda: master.ask("/state").json().get("leader"), 10, f"no leader:\n{master.tail()}")
    assert leader == f"master@{master.address}"
    assert master.ask("/metrics/snapshot").json()["master/elected"] == 1.0
