"""Existing hosts in a closed network: production's topology in small, over SSH, with no source but a mirror.

The hosts are containers without anything of ours (tests/bare_hosts.py): an account that may use sudo, one of them with
a password, a host key of each one's own, behind a jump host, no route to anywhere. Their packages, Salt, archives and
images come from one mirror, which is made, checked, imported into an empty cache, and served by the admin node.
It begins with one member of the log index, which then grows to what production has.
UTOPIA_E2E_BARE: the third number of their network 172.30.N.0/24.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prod_in_small
import pytest
import yaml
from bare_hosts import PASSWORD, BareHosts, hosts_of
from lab import Run, bootstrap, say, wait_for
from log_index import ROLE, LogIndex, Writer

from bootstrap import catalogue, config, paths, wheelhouse
from bootstrap.errors import ExitStatus

pytestmark = pytest.mark.e2e

NUMBER = os.environ.get("UTOPIA_E2E_BARE", "41")
NETWORK = f"172.30.{NUMBER}.0/24"
JUMP = f"172.30.{NUMBER}.5"
HOSTS = 1 + sum(prod_in_small.COUNTS.values())
ASKS_FOR_PASSWORD = "edge-2"  # its sudo does
NAME = f"bare-{NUMBER}"
ARCHIVE, OLDER = "elasticsearch-small", "8.19.20"
JOINERS = ("control-2", "control-3")  # of the log index, when it grows
INDEX = "applogs-grown"
NOWHERE = "http://127.0.0.1:9"  # nothing is fetched from there


@dataclass(frozen=True)
class Closed:
    """The hosts, the topology on them, and an environment for commands that can fetch nothing from anywhere."""

    hosts: BareHosts
    spec: str
    mirror: Path
    offline: dict[str, str]

    def run(self, *words: str, **changes: str) -> Run:
        return bootstrap(*words, "--env", self.spec, "--json", env={**self.offline, **changes})

    def change(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Edit the topology."""
        topology = yaml.safe_load(Path(self.spec).read_text())
        edit(topology)
        Path(self.spec).write_text(yaml.safe_dump(topology, sort_keys=False))

    def log_index(self, patch: pytest.MonkeyPatch) -> LogIndex:
        """Its log index, with the state folder of this environment; `patch` lasts for the test."""
        patch.setenv("UTOPIA_STATE_DIR", self.offline["UTOPIA_STATE_DIR"])
        return LogIndex(config.load(self.spec))

    def made_a_mirror(self) -> dict[str, Any]:
        """Made anew, where everything can be had, of what the topology wants; the command's answer."""
        self.mirror.unlink(missing_ok=True)
        words = ["artifacts", "mirror", "--env", self.spec, "--to", str(self.mirror), "--json"]
        outside = {"UTOPIA_STATE_DIR": str(self.mirror.with_name("outside"))}
        return bootstrap(*words, env=outside).expect().document


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """Nothing is set up on the hosts yet."""
    folder = tmp_path_factory.mktemp("closed")
    spec = folder / NAME / "cluster.yaml"
    spec.parent.mkdir()
    topology = {**prod_in_small.topology(NETWORK), "versions": {ARCHIVE: OLDER}}
    for node in JOINERS:
        topology["nodes"][node]["roles"].remove(ROLE)
    spec.write_text(yaml.safe_dump(topology, sort_keys=False))
    hosts = BareHosts(NAME, NETWORK, JUMP, folder / "hosts")
    password = folder / "password"
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o600)
    hosts.make(hosts_of(spec, password=[ASKS_FOR_PASSWORD]))
    driver = hosts.driver(password_file=password, password_hosts=[ASKS_FOR_PASSWORD])
    topology["settings"] = {**topology["settings"], "base": {"apt_from_admin": True}}
    spec.write_text(yaml.safe_dump({"driver": {**driver, "lab": True}, **topology}, sort_keys=False))
    offline = {
        "UTOPIA_STATE_DIR": str(folder / "state"),
        "UTOPIA_CACHE_DIR": str(folder / "cache"),
        **dict.fromkeys(("http_proxy", "https_proxy", "PIP_INDEX_URL"), NOWHERE),
        "no_proxy": ",".join(str(node["address"]) for node in topology["nodes"].values()),
    }
    _refusing_client(folder / "no-maven")
    offline["PATH"] = f"{folder / 'no-maven'}:{os.environ['PATH']}"
    yield Closed(hosts, str(spec), folder / "mirror.tar", offline)
    hosts.remove()


def _refusing_client(folder: Path) -> None:
    """Maven's client knows no variable that keeps it off the network."""
    folder.mkdir()
    client = folder / "mvn"
    client.write_text("#!/bin/sh\necho 'there is no network here' >&2\nexit 1\n")
    client.chmod(0o755)


def test_a_plan_connects_to_nothing(closed: Closed) -> None:
    """The hosts are there; no process of the plan ever opens a socket."""
    program = (
        "import socket, sys\n"
        "def refuse(event, args):\n"
        "    if event.startswith('socket.connect') or event == 'subprocess.Popen': raise RuntimeError(event)\n"
        "sys.addaudithook(refuse)\n"
        "from bootstrap.cli import main\n"
        f"sys.exit(main(['plan', '--env', {closed.spec!r}, '--json']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=paths.CHECKOUT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(json.loads(done.stdout)["nodes"]) == HOSTS


def test_hosts_have_no_source_of_packages(closed: Closed) -> None:
    assert closed.hosts.run("control-1", "apt-get --quiet --quiet update 2>&1; apt-cache policy nginx-light") == ""
    assert "utopia" not in closed.hosts.run("control-1", "ls /opt /srv")


def test_before_anything_was_imported_the_next_command_is_told(closed: Closed) -> None:
    run = closed.run("cluster", "--only", "machines,salt").expect(ExitStatus.ARTIFACT)
    assert "bootstrap artifacts import" in run.out + run.err


def test_a_mirror_is_made_where_everything_can_be_had(closed: Closed) -> None:
    made = closed.made_a_mirror()
    say(f"mirror: {made['packages']} packages, {len(made['files'])} files, {made['size'] >> 20} MiB")
    assert {"mesos", "services", "task-image"} <= set(made["artifacts"])
    checked = bootstrap("artifacts", "verify", str(closed.mirror), "--key", made["key"], "--json").expect().document
    assert checked["key"] == made["key"]


def test_what_was_changed_on_its_way_is_refused(closed: Closed, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tar"
    shutil.copy(closed.mirror, damaged)
    with damaged.open("r+b") as file:
        file.seek(damaged.stat().st_size // 2)
        file.write(b"another content")
    run = closed.run("artifacts", "import", str(damaged)).expect(ExitStatus.ARTIFACT)
    assert "the mirror is not what was made: 1 thing wrong" in run.out + run.err


def test_it_is_imported_into_an_empty_cache(closed: Closed) -> None:
    assert closed.run("artifacts", "import", str(closed.mirror)).expect().document["remarks"] == []
    # The venv is made of the very wheels that were imported; making it again would take half a minute.
    venv = wheelhouse.ensure_venv(lambda _node, text: say(text))
    shutil.copytree(venv.parent, Path(closed.offline["UTOPIA_CACHE_DIR"]) / "salt-venv", symlinks=True)


def test_production_in_small_converges_and_verifies(closed: Closed) -> None:
    run = closed.run("cluster").expect()
    phases = ", ".join(f"{phase['name']} {phase['seconds']:.0f}" for phase in run.document["phases"])
    say(f"{HOSTS} bare hosts: {run.document['changes']} changes in {run.seconds:.0f} s ({phases})")
    assert {"smoke", "verify"} <= {phase["name"] for phase in run.document["phases"]}


def test_the_log_index_grows_from_one_member_to_three(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> None:
    (known,) = closed.log_index(monkeypatch).ids()

    def grow(topology: dict[str, Any]) -> None:
        for node in JOINERS:
            topology["nodes"][node]["roles"].append(ROLE)

    closed.change(grow)
    log = closed.log_index(monkeypatch)
    with Writer(log, INDEX) as writer:
        wait_for("lines are written", lambda: len(writer.acknowledged) > 5, within=30)
        run = closed.run("cluster", "--skip", "smoke").expect()
    say(f"{len(writer.acknowledged)} lines while the log index grew in {run.seconds:.0f} s")
    assert log.ids() == {known}, "one cluster, the one there was"
    assert set(JOINERS) < set(log.addresses)
    assert log.status() == "green"
    assert writer.lost() == []
    copies = Counter(row["index"] for row in log.must("GET", "/_cat/shards?format=json") if row["index"] == INDEX)
    assert copies == {INDEX: 2}, "there is a copy now"


def test_a_second_run_changes_nothing(closed: Closed) -> None:
    run = closed.run("cluster").expect()
    say(f"second run: {run.seconds:.1f} s")
    assert {phase["name"]: phase["nodes"] for phase in run.document["phases"] if phase["changes"]} == {}
    assert run.document["changes"] == 0


def test_the_log_index_is_upgraded_from_another_mirror(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The closed network gets the newer release by a mirror of its own; one member goes up after the other."""
    log = closed.log_index(monkeypatch)
    assert log.versions() == {OLDER}
    closed.change(lambda topology: topology.pop("versions"))
    closed.made_a_mirror()
    closed.run("artifacts", "import", str(closed.mirror)).expect()
    with Writer(log, INDEX) as writer:
        wait_for("lines are written", lambda: len(writer.acknowledged) > 5, within=30)
        run = closed.run("cluster", "--only", f"artifacts,salt,{ROLE},verify").expect()
    say(f"{len(writer.acknowledged)} lines while the log index was upgraded in {run.seconds:.0f} s")
    say(f"the longest wait for one line was {writer.longest:.1f} s")
    assert log.versions() == {catalogue.load()[ARCHIVE].version}
    assert log.status() == "green"
    assert writer.lost() == []


def test_every_package_came_from_the_admin_node(closed: Closed) -> None:
    """apt knows one source, and the nodes' logs name no other."""
    for node in ("admin-1", "edge-1", "agent-01"):
        sources = closed.hosts.run(node, "apt-get indextargets --format '$(SITE)$(REPO_URI)'").split()
        assert sources, node
        assert all("172.30." in source or source.startswith("file:/srv/utopia/apt") for source in sources), sources


def test_sudos_password_is_nowhere(closed: Closed) -> None:
    """Neither in what the host logged, nor in what we wrote down."""
    logged = closed.hosts.run(ASKS_FOR_PASSWORD, f"journalctl --no-pager | grep -c '{PASSWORD}' || true")
    assert logged.strip() == "0"
    state = Path(closed.offline["UTOPIA_STATE_DIR"])
    assert [path for path in state.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()] == []


def test_a_shell_on_a_node_goes_through_the_jump_host(closed: Closed) -> None:
    run = bootstrap("ssh", "--env", closed.spec, "control-1", "--", "echo $SSH_CONNECTION", env=closed.offline).expect()
    assert run.out.startswith(JUMP)


def test_another_host_in_its_place_is_noticed(closed: Closed) -> None:
    key = "/etc/ssh/ssh_host_ed25519_key"
    closed.hosts.run("edge-1", f"rm -f {key} {key}.pub; ssh-keygen -q -t ed25519 -N '' -f {key}; systemctl restart ssh")
    run = closed.run("cluster", "--only", "machines").expect(ExitStatus.HOST_KEY)
    assert "edge-1" in run.out + run.err
