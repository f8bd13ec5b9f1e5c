"""The path a newcomer takes: a cluster, verified; the same again without a change; one setting rolled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lab import SPEC, bootstrap, on_node, say

from bootstrap.errors import ExitStatus
from bootstrap.model import Cluster

pytestmark = pytest.mark.e2e
SEAL = "/var/cache/salt/minion/utopia-seal"


def test_a_second_run_changes_nothing(local: Cluster) -> None:
    run = bootstrap("cluster", "--env", SPEC, "--json").expect()
    say(f"second run: {run.seconds:.1f} s")
    changed = {phase["name"]: phase["nodes"] for phase in run.document["phases"] if phase["changes"]}
    assert changed == {}
    assert run.document["changes"] == 0
    assert run.document["skipped"] == []
    before = {node.name: on_node(node.name, f"stat -c %y {SEAL}") for node in local.nodes}
    again = bootstrap("cluster", "--env", SPEC, "--json", "--only", "salt,base").expect()
    assert again.document["changes"] == 0
    after = {node.name: on_node(node.name, f"stat -c %y {SEAL}") for node in local.nodes}
    assert after == before, "no node needed a dry run, which seals it anew"


def test_a_second_run_notices_what_was_changed_by_hand(local: Cluster) -> None:
    limits, network = "/etc/security/limits.d/60-utopia.conf", "/etc/sysctl.d/60-utopia-network.conf"
    before, unchanged = on_node("edge-1", f"cat {limits}"), on_node("control-1", f"cat {network}")
    on_node("edge-1", f"echo '# by hand' >> {limits}")
    on_node("edge-1", "rm /etc/systemd/system/multi-user.target.wants/node-exporter.service")
    on_node("agent-1", "systemctl stop rsyslog")
    # as many bytes as before, and no younger
    on_node("control-1", f"cp -p {network} /tmp/x; sed -i 1s/[a-z]/X/ {network}; touch -r /tmp/x {network}; rm /tmp/x")
    run = bootstrap("cluster", "--env", SPEC, "--json", "--skip", "verify").expect()
    assert {name for phase in run.document["phases"] for name in phase["nodes"]} == {"edge-1", "agent-1", "control-1"}
    assert on_node("control-1", f"cat {network}") == unchanged
    assert on_node("edge-1", f"cat {limits}") == before
    assert on_node("edge-1", "systemctl is-enabled node-exporter") == "enabled"
    assert on_node("agent-1", "systemctl is-active rsyslog") == "active"


def test_the_last_line_says_how_many_changes_in_words(local: Cluster) -> None:
    run = bootstrap("cluster", "--env", SPEC, "--skip", "verify").expect()
    assert "0 changes" in run.out.strip().splitlines()[-1]


def test_verify_and_status_agree_that_all_is_well(local: Cluster) -> None:
    assert bootstrap("verify", "--env", SPEC, "--json").expect().document["failed"] == 0
    run = bootstrap("status", "--env", SPEC, "--json").expect()
    assert run.seconds < 6, "status promises an answer within 3 s of its own"


def test_what_a_former_role_left_running_is_told(local: Cluster) -> None:
    unit = "/etc/systemd/system/alertmanager.service"  # a role of another node
    text = r"# managed by Salt\n[Service]\nExecStart=/bin/sleep infinity\n"
    try:
        on_node("edge-1", f"printf '{text}' > {unit}; systemctl daemon-reload; systemctl start alertmanager")
        run = bootstrap("verify", "--env", SPEC, "--role", "base", "--node", "edge-1").expect(ExitStatus.VERIFY)
        assert "no role or provider of this node has alertmanager.service" in run.err
    finally:
        on_node("edge-1", f"systemctl stop alertmanager; rm {unit}; systemctl daemon-reload")


def test_a_shell_on_a_node_is_one_command_away(local: Cluster) -> None:
    run = bootstrap("ssh", "--env", SPEC, "control-2", "--", "hostname; exit 7")
    assert (run.out.strip(), run.status) == ("control-2", 7), run.err


def test_the_nodes_fetched_no_package_since_they_were_made(local: Cluster) -> None:
    fetched = "find /var/lib/apt/lists /var/cache/apt/archives -type f -newermt @$(stat -c %Y /proc/1) ! -name lock"
    assert {node.name: on_node(node.name, fetched) for node in local.nodes} == {node.name: "" for node in local.nodes}


def test_a_changed_setting_is_rolled_leader_last(local: Cluster, variant: Callable[..., str]) -> None:
    leader = next(n.name for n in local.with_role("zookeeper") if "leader" in _mode(n.name))
    before = {n.name: _since(n.name) for n in local.with_role("zookeeper")}

    def raise_sync_limit(topology: dict[str, Any]) -> None:
        topology["settings"]["zookeeper"] = {"config": {"syncLimit": 6}}

    changed = variant(SPEC, raise_sync_limit)
    run = bootstrap("cluster", "--env", changed, "--json", "--only", "salt,zookeeper").expect()
    after = {n.name: _since(n.name) for n in local.with_role("zookeeper")}
    assert all(after[name] > before[name] for name in before), "every member was restarted"
    assert max(after, key=lambda name: after[name]) == leader, "the leader was restarted last"
    assert "syncLimit=6" in on_node("control-1", "cat /etc/zookeeper/zoo.cfg")
    again = bootstrap("cluster", "--env", changed, "--json", "--only", "salt,zookeeper").expect()
    assert again.document["changes"] == 0
    say(f"one setting rolled over three members in {run.seconds:.1f} s")
    bootstrap("cluster", "--env", SPEC).expect()


def _mode(node: str) -> str:
    ask = "exec 3<>/dev/tcp/$(hostname -i)/2181; printf srvr >&3; grep Mode <&3"
    return on_node(node, f"bash -c '{ask}'")


def _since(node: str) -> int:
    return int(on_node(node, "systemctl show --property=ActiveEnterTimestampMonotonic --value zookeeper"))
