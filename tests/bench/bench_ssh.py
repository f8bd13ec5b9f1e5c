"""How the time of a run over SSH grows with the number of machines: role base alone, on bare hosts behind a jump host.

    bench_ssh.py [5 20 40]

Every machine is a container without anything of ours (tests/bare_hosts.py), so the first run brings Salt and sets the
host up; packages come from a mirror that the admin node serves. Prints seconds per phase, and per node. A number that
this host cannot carry (inotify instances, memory) is named and left out; 5,000 nodes are planned, not made.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from bare_hosts import Bare, BareHosts
from lab import bootstrap

from bootstrap import config, host_facts, plan

NUMBERS = (5, 20, 40)
NETWORK, JUMP = "172.30.{number}.0/24", "172.30.{number}.5"
NUMBER = os.environ.get("UTOPIA_E2E_BARE", "41")
NAME = f"bench-{NUMBER}"
INOTIFY_OF_A_HOST = 3  # instances that a bare host with a minion has, measured
MEMORY_OF_A_HOST = 150 << 20
ADMIN = {"address": "10.0.0.1", "roles": ["admin"]}
PHASES = ("machines", "salt", "admin", "base", "verify")


def topology(count: int) -> dict[str, Any]:
    """An admin node, and the rest with no role but base."""
    network = NETWORK.format(number=NUMBER)
    nodes = {f"node-{n:02}": {"address": f"172.30.{NUMBER}.{n + 10}", "roles": []} for n in range(1, count)}
    admin = {"address": f"172.30.{NUMBER}.10", "roles": ["admin"]}
    settings = {"base": {"apt_from_admin": True}}
    return {"domain": "bench.utopia", "network": network, "nodes": {"admin-1": admin, **nodes}, "settings": settings}


def too_many(count: int) -> str:
    """Why this host cannot carry so many; "" when it can."""
    proc = Path("/proc")
    limit = int((proc / "sys/fs/inotify/max_user_instances").read_text())
    free = limit - host_facts.inotify_used(proc)
    if free < INOTIFY_OF_A_HOST * count:
        return (
            f"{free} inotify instances are free, {INOTIFY_OF_A_HOST * count} are needed (fs.inotify.max_user_instances)"
        )
    if (memory := host_facts.memory_available(proc / "meminfo")) < MEMORY_OF_A_HOST * count:
        return f"{memory >> 20} MiB of memory are free, {MEMORY_OF_A_HOST * count >> 20} are needed"
    return ""


def measure(count: int, folder: Path) -> dict[str, float]:
    """Seconds of every phase of the first run, and of the second run as a whole."""
    spec = folder / NAME / "cluster.yaml"
    spec.parent.mkdir(parents=True)
    described = topology(count)
    hosts = BareHosts(NAME, NETWORK.format(number=NUMBER), JUMP.format(number=NUMBER), folder / "hosts")
    try:
        hosts.make([Bare(name, node["address"]) for name, node in described["nodes"].items()])
        spec.write_text(yaml.safe_dump({"driver": {**hosts.driver(), "lab": True}, **described}, sort_keys=False))
        environment = {"UTOPIA_STATE_DIR": str(folder / "state")}
        mirror = folder / "mirror"
        bootstrap("artifacts", "mirror", "--env", str(spec), "--to", str(mirror), env=environment).expect()
        bootstrap("artifacts", "import", f"{mirror}/", "--env", str(spec), env=environment).expect()
        first = bootstrap("cluster", "--env", str(spec), "--json", env=environment).expect()
        again = bootstrap("cluster", "--env", str(spec), "--json", env=environment).expect()
    finally:
        hosts.remove()
    assert again.document["changes"] == 0, again.document
    phases = {phase["name"]: float(phase["seconds"]) for phase in first.document["phases"]}
    return {**{name: phases.get(name, 0.0) for name in PHASES}, "all": first.seconds, "again": again.seconds}


def planned(count: int) -> float:
    """Seconds to read, check and plan so many."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "thousands" / "cluster.yaml"
        file.parent.mkdir()
        ranges = {f"n{r:02}-[001:250]": {"address": f"10.1.{r}.[1:250]", "roles": []} for r in range(count // 250)}
        described = {"driver": {"name": "ssh"}, "domain": "t.example", "network": "10.0.0.0/8"}
        file.write_text(yaml.safe_dump({**described, "nodes": {"admin-1": ADMIN, **ranges}}))
        began = time.monotonic()
        plan.make(config.load(str(file)))
        return time.monotonic() - began


def main() -> int:
    """All numbers, one after the other."""
    numbers = [int(word) for word in sys.argv[1:]] or list(NUMBERS)
    columns = (*PHASES, "all", "again")
    print("nodes".rjust(6), *(name.rjust(9) for name in columns), "per node", sep="  ")
    for count in numbers:
        if why := too_many(count):
            print(f"{count:6}  left out: {why}")
            continue
        with tempfile.TemporaryDirectory(prefix="bench-ssh-") as folder:
            found = measure(count, Path(folder))
        cells = (f"{found[name]:9.1f}" for name in columns)
        print(f"{count:6}", *cells, f"{found['all'] / count:8.2f}", sep="  ", flush=True)
    print(f"plan of 5,000 nodes: {planned(5000):.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
