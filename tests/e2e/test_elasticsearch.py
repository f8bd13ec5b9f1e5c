"""The log index on day 2: rolled under writes, not while copies are missing; cleared; flooded; a member replaced."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator

import pytest
from lab import NAME, SPEC, bootstrap, on_node, say, wait_for
from log_index import ROLE, LogIndex, Writer

from bootstrap.errors import ExitStatus
from bootstrap.model import Cluster

pytestmark = pytest.mark.e2e

INDEX = "applogs-e2e"
SNAPSHOTS = "/var/lib/elasticsearch-snapshots"
MARKS = "cluster.routing.allocation.disk.watermark"
RESTART = "/opt/saltstack/salt/bin/salt-call --retcode-passthrough state.apply elasticsearch.restart >/dev/null 2>&1"


@pytest.fixture
def log(restored: Cluster) -> Iterator[LogIndex]:
    """The log index; what the test wrote is removed."""
    found = LogIndex(restored)
    yield found
    found.must("DELETE", f"/{INDEX},{INDEX}-2?ignore_unavailable=true")


def pids(log: LogIndex) -> dict[str, str]:
    """Member -> its main process."""
    return {node: on_node(node, f"systemctl show --property=MainPID --value {ROLE}") for node in log.addresses}


def mark(node: str) -> None:
    """As if the member's options had just been changed."""
    on_node(node, "touch /etc/elasticsearch/jvm.options")


def look_for_old_indices(log: LogIndex) -> str:
    """What the timers start, on every member; what it said."""
    unit = "elasticsearch-retention"
    since = on_node(next(iter(log.addresses)), "date +%s")
    for node in log.addresses:
        on_node(node, f"systemctl start {unit}")
    return "".join(on_node(node, f"journalctl -o cat --since=@{since} -u {unit}") for node in log.addresses)


def test_a_roll_waits_for_a_whole_cluster_and_then_loses_nothing(log: LogIndex) -> None:
    before = pids(log)
    for node in log.addresses:
        mark(node)
    log.must("PUT", f"/{INDEX}", {"settings": {"auto_expand_replicas": "false", "number_of_replicas": 5}})
    wait_for("a copy has no place", lambda: log.status() == "yellow", within=30)
    run = bootstrap("cluster", "--env", SPEC, "--only", ROLE).expect(ExitStatus.STATE)
    assert "the cluster is yellow" in run.err
    assert "--restart-anyway elasticsearch" in run.err
    nowhere = {"index.routing.allocation.require.rack": "nowhere"}
    log.must("PUT", f"/{INDEX}-2?wait_for_active_shards=0&timeout=1s", {"settings": nowhere})
    wait_for("a shard has no place at all", lambda: log.status() == "red", within=30)
    assert on_node(next(iter(log.addresses)), f"{RESTART} || echo refused") == "refused"
    assert pids(log) == before, "nothing was restarted"

    log.must("DELETE", f"/{INDEX},{INDEX}-2")
    with Writer(log, INDEX) as writer:
        wait_for("lines are written", lambda: len(writer.acknowledged) > 5, within=30)
        run = bootstrap("cluster", "--env", SPEC, "--json", "--only", ROLE).expect()
    after = pids(log)
    assert {node for node in before if before[node] == after[node]} == set(), "every member was restarted"
    assert log.status() == "green"
    assert writer.lost() == []
    settings = log.must("GET", "/_cluster/settings?flat_settings=true")["persistent"]
    assert "cluster.routing.allocation.enable" not in settings
    say(f"{len(writer.acknowledged)} lines while three members were rolled in {run.seconds:.1f} s")
    say(f"the longest wait for one line was {writer.longest:.1f} s")


def test_the_old_index_goes_and_the_new_one_stays(log: LogIndex) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    old, new = (f"applogs-{today - datetime.timedelta(days=days)}" for days in (40, 7))
    for name in (old, new):
        log.must("POST", f"/{name}/_doc?refresh=true", {"message": "e2e"}, user="shipper")
    said = look_for_old_indices(log)
    assert f"deleted {old}: older than 30 days" in said
    assert log.ask("GET", f"/{old}")[0] == 404
    assert log.must("GET", f"/{new}/_count", user="reader")["count"] >= 1
    log.must("DELETE", f"/{new}")


def test_what_a_full_disk_closed_is_opened_again(log: LogIndex) -> None:
    line = {"message": "e2e"}
    log.must("POST", f"/{INDEX}/_doc", line, user="shipper")
    full = {f"{MARKS}.low": "9002tb", f"{MARKS}.high": "9001tb", f"{MARKS}.flood_stage": "9000tb"}
    log.must("PUT", "/_cluster/settings", {"persistent": {**full, "cluster.info.update.interval": "10s"}})
    try:
        refused = lambda: log.ask("POST", f"/{INDEX}/_doc", line, user="shipper")[0] == 429  # noqa: E731
        wait_for("lines are refused", refused, within=60, every=1)
        run = bootstrap("status", "--env", SPEC, "--json", timeout=30).expect(ExitStatus.UNHEALTHY)
        assert "take no more lines" in run.out
        assert "watermarks 9002tb, 9001tb, 9000tb" in run.out
        assert f"{INDEX} take no lines: the flood stage is reached on" in look_for_old_indices(log)
        log.must("PUT", "/_cluster/settings", {"persistent": {f"{MARKS}.*": None}})
        look_for_old_indices(log)
        log.must("POST", f"/{INDEX}/_doc", line, user="shipper")
    finally:
        nothing = {f"{MARKS}.*": None, "cluster.info.update.interval": None}
        log.must("PUT", "/_cluster/settings", {"persistent": nothing})


def in_its_mounts(node: str, command: str) -> str:
    """A command among the mounts that the member sees, which are its unit's own."""
    return on_node(node, f"nsenter --mount --target $(systemctl show -P MainPID {ROLE}) sh -c '{command}'")


@pytest.fixture
def repository(log: LogIndex) -> Iterator[None]:
    """Where snapshots go: a folder that all members share, on the one file system that all containers of a kernel can
    mount, until they are restarted.
    """
    mounted = f"{SNAPSHOTS}-e2e"
    folder = f"{mounted}/utopia-e2e-{NAME}"
    for node in log.addresses:
        in_its_mounts(node, f"mkdir -p {mounted} && mount -t devtmpfs none {mounted} && mkdir -p -m 1777 {folder}")
        in_its_mounts(node, f"mount --bind {folder} {SNAPSHOTS}")
    log.must("PUT", "/_snapshot/utopia", {"type": "fs", "settings": {"location": SNAPSHOTS}})
    yield
    log.must("DELETE", "/_snapshot/utopia")
    for node in log.addresses:
        in_its_mounts(node, f"umount {SNAPSHOTS}; rm -rf {folder}; umount {mounted}; rmdir {mounted}")


@pytest.mark.usefixtures("repository")
def test_what_was_deleted_comes_back_from_a_snapshot(log: LogIndex, variant: Callable[..., str]) -> None:
    with Writer(log, INDEX) as writer:
        wait_for("lines are written", lambda: len(writer.acknowledged) > 50, within=60)
    log.must("POST", f"/{INDEX}/_refresh")
    one = variant(SPEC, lambda topology: topology["settings"]["elasticsearch"].update(snapshots={"keep": 1}))
    first, last = (bootstrap("backup", "--env", one, "--json").expect().document for _ in range(2))
    (name,) = [backup["name"] for backup in last["backups"]]
    assert (first["deleted"], last["deleted"]) == ([], [first["backups"][0]["name"]]), "the newest one is kept"
    listed = bootstrap("restore", "--env", SPEC, "--list", "--json").document["backups"]
    assert [backup["name"] for backup in listed] == [name]

    refused = bootstrap("restore", "--env", SPEC, "--index", INDEX).expect(ExitStatus.BACKUP)
    assert "there already" in refused.err
    log.must("DELETE", f"/{INDEX}")
    run = bootstrap("restore", "--env", SPEC, "--index", INDEX, "--json").expect()
    (done,) = run.document["restored"]
    assert (done["name"], done["restored"]) == (name, {INDEX: len(writer.acknowledged)})
    assert writer.lost() == []

    log.must("POST", f"/{INDEX}/_doc?refresh=true", {"message": "after the snapshot"})
    run = bootstrap("restore", name, "--env", SPEC, "--index", INDEX, "--overwrite", "--json").expect()
    assert run.document["restored"][0]["overwritten"] == [INDEX]
    assert log.must("GET", f"/{INDEX}/_count")["count"] == len(writer.acknowledged)
    run = bootstrap("restore", "--env", SPEC, "--json").expect()
    assert run.document["restored"][0]["restored"] == {}, "all is there"
    wait_for("every copy has its place", lambda: log.status() == "green", within=120)
    say(f"{len(writer.acknowledged)} lines were deleted and restored")


def test_a_dead_member_is_replaced_and_joins_the_cluster_there_was(log: LogIndex) -> None:
    (known,) = log.ids()
    dead = list(log.addresses)[-1]
    with Writer(log, INDEX) as writer:
        wait_for("lines are written", lambda: len(writer.acknowledged) > 5, within=30)
        bootstrap("destroy", "--env", SPEC, "--node", dead).expect()
        run = bootstrap("cluster", "--env", SPEC, "--json", "--skip", "verify").expect()
    say(f"{dead} was made anew in {run.seconds:.1f} s, {len(writer.acknowledged)} lines meanwhile")
    assert log.ids() == {known}, "there is one cluster, the one there was"
    assert on_node(dead, "ls /var/lib/utopia/elasticsearch.forming || echo never") == "never"
    assert log.status() == "green"
    assert writer.lost() == []
    held = {row["node"] for row in log.must("GET", "/_cat/shards?format=json")}
    assert dead in held, "copies came to the new member"
