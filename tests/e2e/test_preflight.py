"""What stands in the way of a run, made for real on bare hosts: each is found, and nothing else is.

The situations are in preflight_situations.yaml; those of a batch are there at the same time: one command finds them.
"""

from __future__ import annotations

import copy
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from bare_hosts import BareHosts, hosts_of
from lab import Run, bootstrap, say

from bootstrap.drivers.docker_cli import inspect
from bootstrap.errors import ExitStatus

pytestmark = pytest.mark.e2e
NET = "172.31.54"
DOMAIN = "preflight.example"
BATCHES = yaml.safe_load(Path(__file__).with_name("preflight_situations.yaml").read_text())["batches"]
TOPOLOGY: dict[str, Any] = {
    "domain": DOMAIN,
    "network": f"{NET}.0/24",
    "nodes": {
        "admin-1": {"address": f"{NET}.10", "roles": ["admin"]},
        "control-1": {
            "address": f"{NET}.11",
            "roles": ["zookeeper", "mesos-master", "elasticsearch"],
            "zookeeper_id": 1,
        },
        "agent-1": {"address": f"{NET}.21", "roles": ["docker", "mesos-agent"], "resources": {"mem": "2048"}},
        "edge-1": {"address": f"{NET}.31", "roles": ["marathon", "ingress"]},
    },
    # What the kernel of the machine that the tests run on has, or has not, is no part of them.
    "settings": {
        "elasticsearch": {"lab_pretend_open_files": True, "config": {"node.store.allow_mmap": False}},
        "mesos-agent": {"flags": {"launcher": "posix", "isolation": "posix/cpu,posix/mem"}},
    },
}
WORDS = {"DOMAIN": DOMAIN, "CONTROL": f"{NET}.11", "EDGE": f"{NET}.31", "UNUSED": f"{NET}.32", "ADDRESS": f"{NET}.21"}
SHELL = r"""
set -e
keep() { cat "$1" >"/root/kept-$(basename "$1")"; }
restore() { cat "/root/kept-$(basename "$1")" >"$1"; }
hosts() { keep /etc/hosts; { echo "$1 $2"; cat /root/kept-hosts; } >/etc/hosts; }
over() {
  if [ -e "$1" ]; then echo "$2" >"/run/over-$(basename "$1")"; mount --bind "/run/over-$(basename "$1")" "$1"; fi
}
swapped() {
  { grep -v Swap /proc/meminfo; echo "SwapTotal: $1 kB"; } >/run/meminfo; mount --bind /run/meminfo /proc/meminfo
}
release() { keep /etc/os-release; printf 'ID=%s\nVERSION_ID="%s"\nPRETTY_NAME="%s"\n' "$1" "$2" "$3" >/etc/os-release; }
program() { printf '#!/bin/sh\n%s\n' "$2" >"/usr/local/bin/$1"; chmod 755 "/usr/local/bin/$1"; }
clock() { echo "import time; time.time = lambda t=time.time: t() + $1" >/usr/lib/python3/dist-packages/clock.pth; }
background() {
  cp /bin/sh "/usr/local/bin/$1"
  systemd-run --quiet "/usr/local/bin/$1" -c 'while :; do sleep 5; done' "${2:-x}"
}
listener() {
  systemd-run --quiet --unit="listener-$1" python3 -c \
    "import socket, time; s = socket.create_server(('${2:-}', $1)); time.sleep(9999)"
  until python3 -c "import socket; socket.create_connection(('127.0.0.1', $1), 1)" 2>/dev/null; do sleep 0.1; done
}
quiet() { systemctl stop "listener-$1"; }
package() {
  d=$(mktemp -d); chmod 755 "$d"; mkdir "$d/DEBIAN"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: x <x@x.x>\nDescription: x\n' "$1" "$2" \
    >"$d/DEBIAN/control"
  dpkg-deb --build "$d" "/tmp/$1.deb" >/dev/null; dpkg --install "/tmp/$1.deb" >/dev/null
}
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareHosts]:
    """Four hosts behind a jump host."""
    folder = tmp_path_factory.mktemp("bare")
    topology = folder / "cluster.yaml"
    topology.write_text(yaml.safe_dump(TOPOLOGY))
    hosts = BareHosts("preflight", f"{NET}.0/24", f"{NET}.2", folder)
    try:
        hosts.make(hosts_of(topology))
        yield hosts
    finally:
        hosts.remove()


@pytest.fixture(scope="module")
def look(bare: BareHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`bootstrap preflight --json` with a topology that is changed as a batch says."""
    folder = tmp_path_factory.mktemp("preflight") / "preflight"
    folder.mkdir()
    state = {"UTOPIA_STATE_DIR": str(tmp_path_factory.mktemp("state"))}
    (folder / "ssh_config").write_text(f"Host edge-2\n  HostName {NET}.31\n")

    def run(changes: dict[str, Any] | None = None) -> Run:
        topology = {"driver": {**bare.driver(), "lab": True}, **copy.deepcopy(TOPOLOGY)}
        topology["driver"]["hosts"]["edge-2"] = topology["driver"]["hosts"]["edge-1"]  # the same machine
        for path, value in (changes or {}).items():
            *way, last = path.split("/")
            inner = topology
            for key in way:
                inner = inner[key]
            inner[last] = value
        if "edge-2" not in topology["nodes"]:
            del topology["driver"]["hosts"]["edge-2"]
        (folder / "cluster.yaml").write_text(yaml.safe_dump(topology, sort_keys=False))
        return bootstrap("preflight", "--env", str(folder / "cluster.yaml"), "--json", env=state)

    yield run


def worded(value: Any) -> Any:
    """With the names and addresses of this network."""
    if isinstance(value, dict):
        return {key: worded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [worded(item) for item in value]
    for word, text in WORDS.items():
        value = value.replace(word, text) if isinstance(value, str) else value
    return value


def apply(bare: BareHosts, situations: list[dict[str, Any]], step: str) -> None:
    """`make` or `undo` of all of them, one command per host; firewalls from outside, as the hosts have no iptables."""
    commands = defaultdict(list)
    for situation in situations:
        if "firewall" in situation:
            chain, rule = situation["firewall"].split(" ", 1)
            pid = str(inspect("container", [bare.container(situation["node"])])[0]["State"]["Pid"])
            option = "--append" if step == "make" else "--delete"
            command = ["nsenter", "--target", pid, "--net", "iptables", "--wait", option, chain, *rule.split()]
            subprocess.run(command, check=True, timeout=30)
        elif step in situation:
            commands[situation["node"]].append(situation[step])
    for node, lines in commands.items():
        bare.run(node, SHELL + "\n".join(lines))


def test_bare_hosts_have_nothing_in_the_way(look: Any) -> None:
    run = look()
    run.expect()
    assert run.document["findings"] == []
    assert run.document["nodes"] == list(TOPOLOGY["nodes"])
    say(f"4 bare hosts behind a jump host asked in {run.document['seconds']} s")


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: batch["batch"])
def test_every_situation_is_found_and_nothing_else(bare: BareHosts, look: Any, batch: dict[str, Any]) -> None:
    situations = worded(batch["situations"])
    expected = [(one.get("at", one["node"]), *one["expect"]) for one in situations if "expect" in one]
    apply(bare, situations, "make")
    try:
        run = look(worded(batch.get("topology")))
    finally:
        apply(bare, situations, "undo")
    assert run.status == ExitStatus.PREFLIGHT, run.err
    found = [(one["node"], one["rule"], one["severity"], one["found"]) for one in run.document["findings"]]
    for node, rule, severity, text in expected:
        assert [one for one in found if one[:3] == (node, rule, severity) and text in one[3]], (
            f"{rule} {node} {text!r} not in:\n" + "\n".join(map(str, found))
        )
    known = {(node, rule, severity) for node, rule, severity, _ in expected}
    assert [one for one in found if one[:3] not in known] == []
    assert len(found) == len(expected)
    assert all(one["fix"] and one["why"] and one["wanted"] for one in run.document["findings"])
    say(f"{len(expected)} situations found in {run.document['seconds']} s")


def test_after_that_nothing_is_in_the_way_again(look: Any) -> None:
    assert look().expect().document["findings"] == []


def test_enough_situations_are_tried() -> None:
    assert sum("expect" in one for batch in BATCHES for one in batch["situations"]) >= 40
