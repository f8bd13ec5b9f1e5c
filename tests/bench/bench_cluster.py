"""What a run costs: cold, again, one setting rolled; and against the floor, a plain shell script on the same machines.

    python tests/bench/bench_cluster.py

Prints, per run: seconds per phase, CPU seconds (all machines and the controlling side), peak memory; then ratios of
one and the same session, since absolute times of shared machines say little. Works on an environment of its own
(`bench`, seven machines) and removes it. The shell script has the roles of UNITS, so it is held against a cold run of
these alone; what forms a cluster by more than files and units is left out of both.
"""

from __future__ import annotations

import base64
import http.client
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lab import bootstrap, container, say, wait_for
from marathon_api import MarathonApi

from bootstrap import config, paths
from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

NETWORK = "172.30.40"
CGROUPS = Path("/sys/fs/cgroup")
# What the states write, besides packages: enough to start the services without them.
WRITTEN = (
    "--no-recursion var/lib/zookeeper var/lib/zookeeper-log var/lib/mesos var/lib/mesos/master var/lib/mesos/agent "
    "--recursion etc/zookeeper etc/mesos etc/docker/daemon.json etc/nginx/nginx.conf etc/utopia etc/systemd/system "
    "etc/passwd etc/group etc/haproxy etc/utopia-scheduler etc/utopia-router "
    "opt/utopia/services/releases opt/utopia/services/current "
    "var/lib/zookeeper/myid srv/utopia/artifacts var/cache/utopia"
)
# What the states start, in their order.
UNITS = {
    "admin": "nginx",
    "zookeeper": "zookeeper",
    "mesos-master": "mesos-master",
    "mesos-agent": "mesos-agent",
    "marathon": "utopia-scheduler",
    "ingress": "haproxy utopia-router",
}


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    name: str
    seconds: float
    phases: dict[str, float]
    cpu_seconds: float
    machines_mb: float


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        path = topology(Path(folder), {})
        try:
            costs = [*runs(path, Path(folder)), *against_floor(Path(folder))]
        finally:
            bootstrap("destroy", "--env", path, "--state").expect()
    table(costs)
    by_name = {cost.name: cost for cost in costs}
    bare, shell = by_name["cold run, roles of the floor"], by_name["floor"]
    proof = max(bare.phases["seal"], bare.phases["smoke"]) + bare.phases["verify"]  # a shell script has no such thing
    ratios = {
        "cold run without seal, smoke and verify / floor": (bare.seconds - proof) / shell.seconds,
        "cold run / floor": bare.seconds / shell.seconds,
        "CPU of cold run / floor": bare.cpu_seconds / shell.cpu_seconds,
        "second run / cold run": by_name["second run"].seconds / by_name["cold run"].seconds,
    }
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.2f}x")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    print(f"peak memory of the controlling side, largest process: {peak:.0f} MB")


def topology(folder: Path, settings: dict[str, Any], *, roles: Collection[str] = ()) -> str:
    """The environment `local` under another name and network; with `roles`, these alone."""
    text = (paths.PILLAR / "env" / "local" / "cluster.yaml").read_text().replace("172.30.10", NETWORK)
    document = yaml.safe_load(text)
    document["settings"] |= settings
    del document["driver"]["publish"]  # may be taken by `local`
    if roles:
        document.pop("everywhere", None)
        for node in document["nodes"].values():
            node["roles"] = [role for role in node["roles"] if role in roles]
    target = folder / "bench" / "cluster.yaml"
    target.parent.mkdir(exist_ok=True)
    target.write_text(yaml.safe_dump(document))
    return str(target)


def runs(path: str, folder: Path) -> list[Cost]:
    """Cold from the baked image, again, with one setting changed."""
    baked(path)
    cold = measured("cold run", lambda: converged(path))
    again = measured("second run", lambda: converged(path))
    changed = topology(folder, {"zookeeper": {"config": {"syncLimit": 6}}})
    rolled = measured("one setting rolled", lambda: converged(changed))
    return [cold, again, rolled]


def converged(path: str) -> dict[str, Any]:
    """`bootstrap cluster`: its document."""
    return dict(bootstrap("cluster", "--env", path, "--json").expect().document)


def against_floor(folder: Path) -> list[Cost]:
    """Cold and again with the roles of the floor, and the floor."""
    path = topology(folder, {}, roles={*UNITS, "docker"})
    baked(path)
    cold = measured("cold run, roles of the floor", lambda: converged(path))
    again = measured("second run, roles of the floor", lambda: converged(path))
    return [cold, again, floor(path, folder)]


def baked(path: str) -> None:
    """The image and artifacts of these roles are there, and nothing else is."""
    say("bench: baking the image if need be, then starting from nothing")
    bootstrap("destroy", "--env", path, "--state").expect()
    bootstrap("cluster", "--env", path, "--only", "machines,artifacts").expect()
    bootstrap("destroy", "--env", path, "--state").expect()


def floor(path: str, folder: Path) -> Cost:
    """Fresh machines, then a shell script that copies what the states wrote and starts the services."""
    cluster = config.load(path)
    lines = []
    for node in cluster.nodes:
        archive = folder / f"{node.name}.tar.gz"
        archive.write_bytes(taken(node.name))
        units = [UNITS[role] for role in node.roles if role in UNITS]
        lines += [f"{node.name} {' '.join(units)}"] if units else []
    bootstrap("destroy", "--env", path).expect()
    script = Path(__file__).with_name("floor.sh")
    ssh = paths.state_dir(cluster.env) / "ssh" / "config"

    def run() -> dict[str, Any]:
        made = bootstrap("cluster", "--env", path, "--only", "machines", "--json").expect().document
        started = time.monotonic()
        subprocess.run(["bash", script, ssh, folder], input="\n".join(lines) + "\n", text=True, check=True)
        wait_for("both agents are registered", lambda: agents(cluster) == 2, within=120, every=0.1)
        wait_for("a scheduler leads, the edge answers", lambda: serves(cluster), within=120, every=0.1)
        made["phases"].append({"name": "shell script", "seconds": time.monotonic() - started})
        return dict(made)

    return measured("floor", run)


def serves(cluster: Cluster) -> bool:
    """Whether a scheduler leads with its framework registered, and HAProxy answers whatever it answers."""
    edge = http.client.HTTPConnection(str(cluster.with_role("ingress")[0].address), 80, timeout=2)
    hosts = [f"{node.address}:8080" for node in cluster.with_role("marathon")]
    marathon = MarathonApi(hosts, "operator", Secrets(cluster.env).value("marathon-operator"))
    try:
        edge.request("GET", "/")
        return bool(edge.getresponse().status and marathon.get("/v2/info").get("frameworkId"))
    except (OSError, AssertionError):
        return False
    finally:
        edge.close()


def taken(node: str) -> bytes:
    """What the states wrote on a node, as a tar.gz."""
    command = f"cd / && tar -cz --ignore-failed-read {WRITTEN} 2>/dev/null"
    name = container("bench", node)
    return subprocess.run(["docker", "exec", name, "sh", "-c", command], capture_output=True, check=False).stdout


def agents(cluster: Cluster) -> int:
    """Active agents by the leading master; 0 while none leads."""
    login = base64.b64encode(f"operator:{Secrets(cluster.env).value('mesos-operator')}".encode()).decode()
    for node in cluster.with_role("mesos-master"):
        request = urllib.request.Request(
            f"http://{node.address}:5050/metrics/snapshot", headers={"Authorization": f"Basic {login}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                metrics = json.load(answer)
        except OSError:
            continue
        if metrics.get("master/elected"):
            return int(metrics.get("master/slaves_active", 0))
    return 0


def measured(name: str, action: Callable[[], dict[str, Any]]) -> Cost:
    """Run it; the machines' and the controlling side's CPU seconds and peak memory with it."""
    before, cpu_before = time.monotonic(), controller_cpu() + machines_cpu()
    document = action()
    seconds = time.monotonic() - before
    cost = Cost(
        name,
        seconds,
        {phase["name"]: phase["seconds"] for phase in document["phases"]},
        controller_cpu() + machines_cpu() - cpu_before,
        sum(cgroup("memory", "memory.max_usage_in_bytes", "memory.peak").values()) / 1e6,
    )
    say(f"bench: {name} {seconds:.1f} s")
    return cost


def controller_cpu() -> float:
    """CPU seconds of every command this process has run so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machines_cpu() -> float:
    """CPU seconds of all machines since they were made."""
    v1 = cgroup("cpuacct", "cpuacct.usage", "")
    return sum(v1.values()) / 1e9 if v1 else sum(cgroup("", "", "cpu.stat").values()) / 1e6


def cgroup(controller: str, v1: str, v2: str) -> dict[str, int]:
    """A number of every machine's control group, by container id (cgroup v1, else v2)."""
    listed = subprocess.run(
        ["docker", "ps", "--quiet", "--no-trunc", "--filter", "label=utopia.env=bench"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    found = {}
    for machine in listed:
        for path in (CGROUPS / controller / "docker" / machine / v1, CGROUPS / "docker" / machine / v2):
            if path.is_file():
                words = path.read_text().split()
                found[machine] = int(words[1] if path.name == "cpu.stat" else words[0])
                break
    return found


def table(costs: list[Cost]) -> None:
    """A row per run, a column per phase."""
    names = list(dict.fromkeys(name for cost in costs for name in cost.phases))
    headers = ["run", "seconds", "cpu s", "machines MB", *names]
    rows = [
        [c.name, f"{c.seconds:.1f}", f"{c.cpu_seconds:.1f}", f"{c.machines_mb:.0f}"]
        + [f"{c.phases[name]:.1f}" if name in c.phases else "-" for name in names]
        for c in costs
    ]
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    for row in [headers, *rows]:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    main()
