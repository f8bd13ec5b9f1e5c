"""How fast applications start on the cluster `local`, against the engines alone: `bench_launch.py`, which brings it up.

Docker tasks launched and healthy through the scheduler and Mesos, beside the same number of containers
started by a shell loop on the same agents; and command tasks, which have no engine below them.
"""

from __future__ import annotations

import concurrent.futures
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lab import bootstrap, on_node
from marathon_api import IMAGE, MarathonApi

from bootstrap import config
from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

INSTANCES = 24
APP = "/bench/launch"


def main() -> int:
    """Print a table: seconds, launches per second, and the ratio to the floor."""
    bootstrap("cluster", "--env", "local").expect()
    cluster = config.load("local")
    marathon = MarathonApi(
        [f"{node.address}:8080" for node in cluster.with_role("marathon")],
        "operator",
        Secrets(cluster.env).value("marathon-operator"),
    )
    floor = containers_alone(cluster)
    docker = launched(marathon, {"container": {"type": "DOCKER", "docker": {"image": IMAGE}}})
    command = launched(marathon, {})
    print(f"{INSTANCES} instances on {len(cluster.with_role('mesos-agent'))} agents")
    print(f"{'':30}{'seconds':>9}{'per s':>8}{'ratio':>7}")
    rows = [("docker run, a shell loop", floor), ("Docker tasks, by the scheduler", docker), ("command tasks", command)]
    for name, seconds in rows:
        print(f"{name:30}{seconds:9.2f}{INSTANCES / seconds:8.1f}{seconds / floor:7.2f}")
    return 0


def launched(marathon: MarathonApi, fields: dict[str, object]) -> float:
    """Seconds until all instances of a new application run."""
    marathon.remove(APP)
    app = {"id": APP, "cmd": "sleep 3600", "cpus": 0.01, "mem": 32, "instances": INSTANCES, **fields}
    began = time.monotonic()
    marathon.create(app, within=300)
    seconds = time.monotonic() - began
    assert len(marathon.running(APP)) == INSTANCES
    marathon.remove(APP)
    return seconds


def containers_alone(cluster: Cluster) -> float:
    """Seconds for as many containers without anything above the engine."""
    agents = [node.name for node in cluster.with_role("mesos-agent")]
    each = INSTANCES // len(agents)
    names = " ".join(f"bench-floor-{number}" for number in range(each))
    loop = f"for name in {names}; do docker run -d --name $name --memory 32m {IMAGE} sleep 3600 >/dev/null; done"
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: on_node(node, loop), agents))
    seconds = time.monotonic() - began
    for node in agents:
        on_node(node, f"docker rm --force {names}")
    return seconds


if __name__ == "__main__":
    raise SystemExit(main())
