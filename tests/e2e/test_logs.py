"""Lines of containers while the index and the shippers fail: afterwards each is there exactly once.

Containers are started past the scheduler, since it is their output that counts. Each case has 20,004 lines of its own.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from lab import on_node, say, wait_for
from marathon_api import MarathonApi

from bootstrap import log_index
from bootstrap.health import logs
from bootstrap.health.net import Login, UnansweredError
from bootstrap.log_index import LogIndex
from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

pytestmark = pytest.mark.e2e

IMAGE = "utopia/task:1"
PER_AGENT, LINES = 3, 3334
BURST = 100  # lines between two short pauses: a case lasts a few seconds
ROTATED_AT = "200k"  # of some 450 kB that a container writes: twice, and Docker keeps three files
FOUND_SECONDS = 300.0
OUTAGE_SECONDS = 60
STOP_SECONDS = 150  # of a member: its unit gives it 120
ASK_SECONDS = 10.0
BUFFER, KEPT = "/var/lib/log-shipper", "/root/positions"
SALT = "/opt/saltstack/salt/bin/salt-call --retcode-passthrough state.apply"
DROP_OLDEST = {"settings": {"rsyslog": {"when_full": "drop-oldest"}}}
OF_OTHERS = 100  # lines of other containers and of the journal that may be lost beside
_WRITER = (
    "i=0; while [ $i -lt {lines} ]; do echo {name} $i; i=$((i+1)); [ $((i % {burst})) -ne 0 ] || sleep 0.1; done;"
    " sleep 600"
)

_KINDS = r"""
printf 'before\nTraceback (most recent call last):\n  File "x", line 1\n    y()\nValueError: z\n'
printf 'java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\nCaused by: x.Y: z\n\tat d.E.f\nafter\n'
head -c 40000 /dev/zero | tr '\0' p; echo
head -c 1000000 /dev/zero | tr '\0' m; echo
printf 'zero\0zero\n\377\376 no text\n{"level":"info","n":{"m":1}}\n'
sleep 1  # a line of the other stream may cut a long one in two
echo on stderr >&2
sleep 600
"""


@dataclass(frozen=True)
class Container:
    """One that writes. `id`: what the lines carry."""

    node: str
    id: str


@pytest.fixture(scope="module")
def index(local: Cluster) -> LogIndex:
    return log_index.of(local, Login("operator", Secrets(local.env).value(log_index.SECRET)))


@pytest.fixture(scope="module")
def agents(local: Cluster) -> list[str]:
    return [node.name for node in local.with_role("mesos-agent")]


@pytest.fixture
def run() -> Iterator[Callable[..., Container]]:
    """Starts a container with a shell command; all are removed when the test is over."""
    made: list[Container] = []

    def start(node: str, command: str, *options: str) -> Container:
        quoted = command.replace("'", "'\\''")
        given = " ".join(options)
        begun = on_node(node, f"docker run -d --network none {given} --entrypoint /bin/sh {IMAGE} -c '{quoted}'")
        made.append(Container(node, begun[:12]))
        return made[-1]

    yield start
    for each in made:
        on_node(each.node, f"docker rm -f {each.id}", check=False)


@pytest.fixture
def writers(agents: Sequence[str], run: Callable[..., Container]) -> list[Container]:
    """Six containers on both agents, which have just begun to write. Their files are rotated meanwhile."""

    def begin(node: str) -> Container:
        name = f"{node}-{secrets.token_hex(4)}"
        command = _WRITER.format(lines=LINES, name=name, burst=BURST)
        return run(node, command, f"-e MARATHON_APP_ID=/e2e/writer --log-opt max-size={ROTATED_AT}")

    nodes = [node for node in agents for _ in range(PER_AGENT if len(agents) > 1 else 2 * PER_AGENT)]
    with ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(begin, nodes))


def numbers(index: LogIndex, container: Container) -> Counter[str]:
    """The last word of each line that the index has of a container, and how often."""
    query = {"query": {"term": {"container": container.id}}, "size": 10000, "_source": ["message"]}
    try:
        hits = index.search(query, seconds=ASK_SECONDS)["hits"]["hits"]
    except UnansweredError:
        return Counter()
    return Counter(hit["_source"]["message"].rpartition(" ")[2] for hit in hits)


def lacking(index: LogIndex, writers: Sequence[Container]) -> dict[str, str]:
    """What of the writers' lines is not in the index: how many, the first and the last of each writer."""
    found = {writer: {int(number) for number in numbers(index, writer)} for writer in writers}
    gaps = {writer: [number for number in range(LINES) if number not in found[writer]] for writer in writers}
    return {f"{each.id} on {each.node}": f"{len(gap)}: {gap[0]}-{gap[-1]}" for each, gap in gaps.items() if gap}


def each_once(index: LogIndex, writers: Sequence[Container]) -> None:
    """Every line of every writer is there, and none twice."""
    started = time.monotonic()
    while gaps := lacking(index, writers):
        if time.monotonic() - started > FOUND_SECONDS:
            pytest.fail(f"lines that are not found after {FOUND_SECONDS:.0f} s: {gaps}")
        time.sleep(1)
    for writer in writers:
        assert [number for number, count in numbers(index, writer).items() if count != 1] == []
    say(f"{LINES * len(writers)} lines, each once, {time.monotonic() - started:.0f} s after the fault")


def lines_of(index: LogIndex, query: dict[str, object], count: int, *, within: float = 60) -> list[dict[str, object]]:
    """The lines that fit, in the order of their times, when there are that many."""

    def found() -> list[dict[str, object]]:
        asked = {"query": query, "size": 1000, "sort": [{"@timestamp": "asc"}]}
        try:
            hits = index.search(asked, seconds=ASK_SECONDS)["hits"]["hits"]
        except UnansweredError:
            return []
        return [hit["_source"] for hit in hits] if len(hits) >= count else []

    return list(wait_for(f"{count} lines of {query}", found, within=within))


def test_a_member_of_the_index_is_killed(index: LogIndex, local: Cluster, writers: list[Container]) -> None:
    victim = local.with_role("elasticsearch")[-1].name
    time.sleep(1)
    on_node(victim, "systemctl kill --signal=KILL elasticsearch")
    each_once(index, writers)


@pytest.mark.parametrize(("signal", "times"), [("TERM", 1), ("KILL", 3)])
def test_the_shippers_are_stopped_and_started(
    index: LogIndex, agents: Sequence[str], writers: list[Container], signal: str, times: int
) -> None:
    """Killed again while they take up what they were behind: that is when most is on its way."""
    ended = "while systemctl is-active --quiet rsyslog; do sleep 0.1; done"
    for _ in range(times):
        time.sleep(1)
        with ThreadPoolExecutor(len(agents)) as pool:
            command = f"systemctl kill --signal={signal} rsyslog; {ended}; systemctl start rsyslog"
            list(pool.map(on_node, agents, [command] * len(agents)))
    each_once(index, writers)


def test_every_kind_of_line(
    index: LogIndex, agents: Sequence[str], local: Cluster, run: Callable[..., Container]
) -> None:
    """Traces, pieces, a megabyte, zero bytes, no UTF-8, JSON; with the names of application, task and version."""
    names = "-e MARATHON_APP_ID=/e2e/kinds -e MARATHON_APP_VERSION=2026-01-01T00:00:00.000Z -e MESOS_TASK_ID=kinds.1"
    made = run(agents[0], _KINDS, names)
    found = lines_of(index, {"term": {"container": made.id}}, 10)
    out = [str(line["message"]) for line in found if line["stream"] == "stdout"]
    assert out[:4] == [
        "before",
        'Traceback (most recent call last):\n  File "x", line 1\n    y()\nValueError: z',
        "java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\nCaused by: x.Y: z\n\tat d.E.f",
        "after",
    ]
    assert [(len(text), text[:1]) for text in out[4:6]] == [(40000, "p"), (1000000, "m")]
    assert out[6:] == [
        "zero␀zero",
        "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} no text",
        '{"level":"info","n":{"m":1}}',
    ]
    assert [line["message"] for line in found if line["stream"] == "stderr"] == ["on stderr"]
    assert found[-1]["node"] == agents[0] and found[-1]["environment"] == local.env
    assert {line["app"] for line in found} == {"/e2e/kinds"}
    assert {(line["task"], line["version"]) for line in found} == {("kinds.1", "2026-01-01T00:00:00.000Z")}
    assert [line["json"] for line in found if "json" in line] == [{"level": "info", "n": {"m": 1}}]


def test_command_tasks_services_and_the_edge(index: LogIndex, local: Cluster) -> None:
    """A command task's output with its own times and names; a request in the access log; our services."""
    hosts = [f"{node.address}:8080" for node in local.with_role("marathon")]
    marathon = MarathonApi(hosts, "operator", Secrets(local.env).value("marathon-operator"))
    app = f"/e2e/command-{secrets.token_hex(3)}"
    command = "echo first; sleep 1; echo 'Exception in thread x'; printf '\\tat y\\n'; sleep 1; echo last >&2; sleep 99"
    marathon.create({"id": app, "cmd": command, "cpus": 0.05, "mem": 32, "instances": 1})
    try:
        found = lines_of(index, {"term": {"app": app}}, 3)
    finally:
        marathon.remove(app)
    assert [line["message"] for line in found] == ["first", "Exception in thread x\n\tat y", "last"]
    assert [line["stream"] for line in found] == ["stdout", "stdout", "stderr"]
    assert len({line["task"] for line in found} | {line["version"] for line in found}) == 2
    assert str(found[0]["@timestamp"])[:19] != str(found[2]["@timestamp"])[:19], "not the times of the lines themselves"
    edge = local.with_role("ingress")[0]
    path = f"/{secrets.token_hex(8)}"
    on_node(edge.name, f"curl -s -o /dev/null -H 'Host: hello.localhost' http://{edge.address}{path}")
    line = lines_of(index, {"bool": {"filter": [{"term": {"stream": "access"}}, {"term": {"json.uri": path}}]}}, 1)[0]
    assert (line["node"], line["app"]) == (edge.name, "/hello")
    assert lines_of(index, {"term": {"unit": "mesos-master.service"}}, 1)


def test_the_buffers_disk_is_full(index: LogIndex, agents: Sequence[str], run: Callable[..., Container]) -> None:
    """A small disk of its own, no way to the index, and the oldest lines are to go: the workload goes on, the bound
    holds, the newest lines are found, and as many are counted as are missing."""
    agent, lines = agents[0], 20000
    block = "OUTPUT -p tcp --dport 9200 -j REJECT"
    wait_for("nothing waits", lambda: _told(agent, "waiting") == 0, within=60)
    on_node(agent, f"{SALT} rsyslog pillar='{json.dumps(DROP_OLDEST)}' >/dev/null")
    on_node(agent, "systemctl stop rsyslog log-relay")
    mount = f"mount -t tmpfs -o size=16m,mode=0700 tmpfs {BUFFER} && chown log-shipper: {BUFFER}"
    on_node(agent, f"mkdir {KEPT} && cp -a {BUFFER}/im* {KEPT} && {mount} && cp -a {KEPT}/* {BUFFER}")
    try:
        on_node(agent, f"iptables -I {block} && systemctl start log-relay rsyslog")
        line = f"echo {'x' * 500} $i; i=$((i+1)); [ $((i % {BURST})) -ne 0 ] || sleep 0.05"
        made = run(agent, f"i=0; while [ $i -lt {lines} ]; do {line}; done; touch /done; sleep 600")
        wait_for("the workload has written all its lines", lambda: _done(made), within=60)
        wait_for("all are read", lambda: _told(agent, "lost") + _told(agent, "waiting") >= lines, within=60)
        assert on_node(agent, f"df --output=pcent {BUFFER} | tail -1").strip(" %") < "90", (
            "the disk is full to the brim"
        )
        assert on_node(agent, "systemctl is-active rsyslog") == "active"
        on_node(agent, f"iptables -D {block}")
        wait_for("what waited is shipped", lambda: _told(agent, "waiting") == 0, within=90, every=1)
        wait_for("the newest line is found", lambda: str(lines - 1) in numbers(index, made), within=30)
        lost, found = _told(agent, "lost"), sorted(map(int, numbers(index, made)))
        assert found == list(range(lines - len(found), lines)), "what is missing is not the oldest"
        assert 0 <= lost - (lines - len(found)) <= OF_OTHERS
        on_node(agent, "systemctl start log-canary")
        seen = wait_for("the loss is told by status", lambda: _seen_lost(index, agent), within=30)
        say(f"{lost} lines lost and counted, {len(found)} of {lines} found; status tells of {seen}")
    finally:
        on_node(agent, f"iptables -D {block}", check=False)
        on_node(
            agent,
            f"systemctl stop rsyslog; umount {BUFFER}; rm -r {KEPT}; {SALT} rsyslog,rsyslog.restart >/dev/null",
        )
    on_node(agent, "rm /var/lib/log-relay/lost.json; systemctl start log-canary")
    wait_for("what somebody took note of is forgotten", lambda: not _seen_lost(index, agent), within=60)


def test_the_whole_index_is_away(index: LogIndex, local: Cluster, writers: list[Container]) -> None:
    """The last member that stops has nobody to lead it, and waits for that up to a minute with what it was told."""
    members = [node.name for node in local.with_role("elasticsearch")]
    time.sleep(1)
    with ThreadPoolExecutor(len(members)) as pool:
        try:
            list(pool.map(lambda name: on_node(name, "systemctl stop elasticsearch", timeout=STOP_SECONDS), members))
            time.sleep(OUTAGE_SECONDS)
            assert sum(_told(agent, "waiting") for agent in {writer.node for writer in writers}) > 0
        finally:
            list(pool.map(lambda name: on_node(name, "systemctl start elasticsearch"), members))
    each_once(index, writers)


def _done(made: Container) -> bool:
    return on_node(made.node, f"docker exec {made.id} test -e /done && echo yes", check=False) == "yes"


def _told(node: str, what: str) -> int:
    """One of the shipper's own counters."""
    return int(json.loads(on_node(node, "/usr/lib/utopia/log-shipper-report"))[what])


def _seen_lost(index: LogIndex, node: str) -> int:
    try:
        return logs.ask(index, seconds=ASK_SECONDS)[node].lost
    except UnansweredError:
        return 0
