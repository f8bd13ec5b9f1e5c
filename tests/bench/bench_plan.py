"""How long `validate` and `plan` take for 5,000 nodes, by range and listed one by one, against parsing the YAML alone.

Prints seconds (best of three) and the ratio to the parser; exits 1 above the bound.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import yaml

from bootstrap import config, plan

NODES = 5_000
BOUND = 2.0  # seconds
HEAD = """\
driver: {name: ssh}
domain: bench.example
network: 10.0.0.0/8
production: true
nodes:
  admin-1: {address: 10.255.0.1, roles: [admin]}
  control-1: {address: 10.255.0.11, roles: [zookeeper, mesos-master], zookeeper_id: 1}
  control-2: {address: 10.255.0.12, roles: [zookeeper, mesos-master], zookeeper_id: 2}
  control-3: {address: 10.255.0.13, roles: [zookeeper, mesos-master], zookeeper_id: 3}
"""
AGENT = """\
  "{name}":
    address: "{address}"
    roles: [docker, mesos-agent]
    attributes: {{rack: r1}}
    resources: {{cpus: "14", mem: "57344", disk: "409600", ports: "[31000-32000]"}}
"""
AGENTS = NODES - 4


def by_range():
    """4,996 agents in 20 entries of 249 or 250."""
    size = [250] * 16 + [249] * 4
    starts = [1 + sum(size[:index]) for index in range(len(size))]
    return HEAD + "".join(
        AGENT.format(name=f"agent-[{start:04}:{start + count - 1:04}]", address=f"10.1.{index}.[1:{count}]")
        for index, (start, count) in enumerate(zip(starts, size, strict=True))
    )


def one_by_one():
    """4,996 agents in as many entries."""
    return HEAD + "".join(
        AGENT.format(name=f"agent-{number:04}", address=f"10.1.{number // 250}.{number % 250 + 1}")
        for number in range(AGENTS)
    )


def best(work):
    """Seconds, the best of three, and the last result."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


def measure(name, text, folder):
    """Print one row; whether it is within the bound."""
    path = folder / "bench" / "cluster.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    parsed, _ = best(lambda: yaml.load(path.read_text(), Loader=loader))
    validated, cluster = best(lambda: config.load(str(path)))
    planned, made = best(lambda: plan.make(cluster))
    if len(made.node_pillar) != NODES:
        raise AssertionError(f"{len(made.node_pillar)} nodes in place of {NODES}")
    total = validated + planned
    print(f"{name:<12}{parsed:>10.3f}{validated:>12.3f}{planned:>10.3f}{total:>10.3f}{total / parsed:>12.1f}")
    return total < BOUND


def main():
    """Both kinds of file."""
    print(f"{NODES} nodes, seconds, best of three; bound {BOUND} s for validate and plan together")
    print(f"{'':<12}{'parse':>10}{'validate':>12}{'plan':>10}{'both':>10}{'to parse':>12}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["UTOPIA_STATE_DIR"] = folder
        within = [
            measure("by range", by_range(), Path(folder)),
            measure("one by one", one_by_one(), Path(folder)),
        ]
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
