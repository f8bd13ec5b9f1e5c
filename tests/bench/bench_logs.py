"""How soon a container's line is found, how many lines a second a shipper takes, and its memory: `bench_logs.py`.

The floor of the throughput is `cat` of the same file, as Docker wrote it, into a socket on the same agent.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lab import SPEC, bootstrap, on_node, wait_for
from marathon_api import IMAGE

from bootstrap import config, log_index
from bootstrap.health.net import Login
from bootstrap.log_index import LogIndex
from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

SAMPLES, LINES = 100, 20000
PAUSE = 0.05  # between two looks into the index


def main() -> int:
    """Print what was measured, on the cluster that the end-to-end tests use."""
    bootstrap("cluster", "--env", SPEC).expect()
    cluster = config.load(SPEC)
    index = log_index.of(cluster, Login("operator", Secrets(cluster.env).value(log_index.SECRET)))
    agent = cluster.with_role("mesos-agent")[0].name
    soon = sorted(latencies(index, agent))
    print(f"line to searchable, {len(soon)} lines: p50 {statistics.median(soon):.2f} s, p99 {soon[-2]:.2f} s")
    shipped, floor = throughput(index, agent)
    print(f"{LINES} lines: shipped in {shipped:.1f} s ({LINES / shipped:.0f}/s), cat to a socket {floor:.3f} s")
    for name, megabytes in memory(cluster).items():
        print(f"{name:12} {megabytes:6.1f} MB")
    return 0


def start(agent: str, command: str) -> str:
    """A container; its id as lines carry it."""
    return on_node(agent, f"docker run -d --network none --entrypoint /bin/sh {IMAGE} -c '{command}'")[:12]


def count(index: LogIndex, container: str) -> int:
    """Lines of a container that are found."""
    asked = {"query": {"term": {"container": container}}, "size": 0, "track_total_hits": True}
    return int(index.search(asked, seconds=10)["hits"]["total"]["value"])


def latencies(index: LogIndex, agent: str) -> list[float]:
    """Seconds from a line's time to the first look that finds it, of lines that come one by one."""
    container = start(agent, f"i=0; while [ $i -lt {SAMPLES} ]; do echo $i; i=$((i+1)); sleep 0.3; done; sleep 600")
    found: dict[str, float] = {}
    asked = {"query": {"term": {"container": container}}, "size": 1000, "_source": ["@timestamp"]}
    deadline = time.monotonic() + SAMPLES
    while len(found) < SAMPLES and time.monotonic() < deadline:
        hits = index.search(asked, seconds=10)["hits"]["hits"]
        now = time.time()
        for hit in hits:
            written = datetime.fromisoformat(hit["_source"]["@timestamp"][:26].rstrip("Z") + "+00:00").timestamp()
            found.setdefault(hit["_id"], now - written)
        time.sleep(PAUSE)
    on_node(agent, f"docker rm -f {container}")
    assert len(found) == SAMPLES, f"{len(found)} of {SAMPLES} lines found"
    return list(found.values())


def throughput(index: LogIndex, agent: str) -> tuple[float, float]:
    """Seconds for all lines into the index, and for `cat` of their file into a socket."""
    text = "x" * 120
    began = time.monotonic()
    container = start(agent, f"i=0; while [ $i -lt {LINES} ]; do echo {text} $i; i=$((i+1)); done; sleep 600")
    wait_for("all lines", lambda: count(index, container) == LINES, within=300, every=0.2)
    shipped = time.monotonic() - began
    file = f"/var/lib/docker/containers/{container}*/*-json.log"
    to_socket = f"bash -c 'time cat {file} > /dev/tcp/127.0.0.1/9099' 2>&1 | grep real"
    program = "import socket; c = socket.create_server(('127.0.0.1', 9099)).accept()[0]\nwhile c.recv(65536): pass"
    receiver = f'python3 -c "{program}"'
    took = on_node(agent, f"{receiver} & sleep 0.5; {to_socket}")
    minutes, _, seconds = took.split()[-1].rstrip("s").partition("m")
    on_node(agent, f"docker rm -f {container}")
    return shipped, int(minutes) * 60 + float(seconds)


def memory(cluster: Cluster) -> dict[str, float]:
    """Node -> megabytes of its shipper's processes, proportionally shared."""
    ask = "grep ^Pss: /proc/$(systemctl show -p MainPID --value rsyslog)/smaps_rollup"
    return {node.name: int(on_node(node.name, ask).split()[1]) / 1024 for node in cluster.with_role(log_index.ROLE)}


if __name__ == "__main__":
    sys.exit(main())
