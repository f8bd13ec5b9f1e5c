"""Containers that stand for bare Debian 12 hosts: for what runs over SSH on machines that we did not make.

Nothing of ours is in them: the base file system of packaging/image/base.sh (systemd, sshd, sudo, Python), an account
that may use sudo, and a host key of each one's own. Their network has no route to anywhere. Only the jump host lets
the operator in; the others take SSH from the jump host alone.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from bootstrap import engine, image, paths
from bootstrap.drivers.docker import CGROUP_V2_MARK
from bootstrap.drivers.docker_cli import attempt, docker, inspect, labelled
from bootstrap.drivers.docker_machine import boot_arguments

LABEL = "utopia.bare"
JUMP = "jump-1"
USER, PASSWORD = "ops", "correct horse battery"  # of throwaway hosts that nobody else can reach
AT_ONCE = 4
BOOT_SECONDS = 120.0
_CONTAINER_SH = paths.CHECKOUT / "packaging" / "image" / "container.sh"
# What the installer of a distribution does: no packages beyond Debian's, no file of ours.
_INSTALL = f"""\
rm -f /etc/ssh/ssh_host_*; : >/etc/machine-id
useradd --create-home --shell /bin/bash {USER}
systemctl disable --quiet ssh.service
for section in 1 2 3 4 5 6 7 8; do install -d "/usr/share/man/man$section"; done  # the base has no manual pages
printf 'PasswordAuthentication no\\nUseDNS no\\nMaxStartups 64:30:128\\n' >/etc/ssh/sshd_config.d/site.conf
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
"""
_FIRST_BOOT = f"""\
set -eu
ssh-keygen -q -t ed25519 -N '' -C '' -f /etc/ssh/ssh_host_ed25519_key
install -d -m 700 -o {USER} -g {USER} /home/{USER}/.ssh
echo "$1" >/home/{USER}/.ssh/authorized_keys
chown {USER}:{USER} /home/{USER}/.ssh/authorized_keys
rule='NOPASSWD: ALL'
if [ "$2" = password ]; then rule=ALL; echo '{USER}:{PASSWORD}' | chpasswd; fi
echo "{USER} ALL=(ALL) $rule" >/etc/sudoers.d/{USER}
if [ -n "$3" ]; then echo "AllowUsers {USER}@$3" >>/etc/ssh/sshd_config.d/site.conf; fi
systemctl enable --now --quiet ssh.service
cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub
"""


@dataclass(frozen=True)
class Bare:
    """A host to be made. `password`: sudo asks for one. `nested`: it will run containers itself."""

    name: str
    address: str
    password: bool = False
    nested: bool = False


def hosts_of(topology: Path, *, password: Iterable[str] = ()) -> list[Bare]:
    """The hosts that a topology (already expanded, no ranges) counts on."""
    nodes = yaml.safe_load(topology.read_text())["nodes"]
    return [Bare(n, str(v["address"]), n in set(password), "docker" in v["roles"]) for n, v in nodes.items()]


class BareHosts:
    """The hosts of one name, on one network without a route. `host_keys`: name -> the key that it will show."""

    def __init__(self, name: str, network: str, jump_address: str, folder: Path) -> None:
        self.name, self.network, self.jump_address, self.folder = name, network, jump_address, folder
        self.key = folder / "operator_key"
        self.host_keys: dict[str, str] = {}

    def make(self, hosts: Iterable[Bare]) -> None:
        """All of them and the jump host, booted and answering."""
        self.remove()
        engine.ensure(_quiet)
        reference = ensure_image()
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        docker("network", "create", "--internal", f"--label={LABEL}={self.name}", f"--subnet={self.network}", self._net)
        wanted = [Bare(JUMP, self.jump_address), *hosts]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            keys = pool.map(lambda host: self._boot(host, reference), wanted)
            self.host_keys = {host.name: key for host, key in zip(wanted, keys, strict=True)}

    def container(self, host: str) -> str:
        return f"utopia-bare-{self.name}-{host}"

    def run(self, host: str, command: str) -> str:
        """As root, past SSH; what it printed."""
        return docker("exec", self.container(host), "sh", "-c", command)

    def driver(self, *, password_file: Path | None = None, password_hosts: Iterable[str] = ()) -> dict[str, object]:
        """The `driver` section of a topology on these hosts, their keys given as fingerprints."""
        from bootstrap import known_hosts

        prints = {name: known_hosts.fingerprint(key).split()[1] for name, key in self.host_keys.items()}
        hosts: dict[str, dict[str, object]] = {n: {"host_key": p} for n, p in prints.items() if n != JUMP}
        for name in password_hosts:
            hosts[name]["sudo_password"] = str(password_file)
        jump = {"address": self.jump_address, "host_key": prints[JUMP]}
        return {"name": "ssh", "user": USER, "key": str(self.key), "jump": [jump], "hosts": hosts}

    def remove(self) -> None:
        """Everything of this name that was made here, and nothing else."""
        found = labelled("container", {LABEL: self.name})
        if found:
            docker("rm", "--force", "--volumes", *found, timeout=120)
        for network in labelled("network", {LABEL: self.name}):
            docker("network", "rm", network)

    @property
    def _net(self) -> str:
        return f"utopia-bare-{self.name}"

    def _boot(self, host: Bare, reference: str) -> str:
        name = self.container(host.name)
        arguments = [f"--name={name}", f"--hostname={host.name}", f"--network={self._net}", f"--ip={host.address}"]
        arguments += [f"--label={LABEL}={self.name}", *boot_arguments(cgroup_v2=CGROUP_V2_MARK.exists())]
        arguments += ["--volume=/var/lib/docker"] if host.nested else []
        docker("run", "--detach", *arguments, reference, timeout=120)
        deadline = time.monotonic() + BOOT_SECONDS
        while attempt("exec", name, "systemctl", "is-system-running").out.strip() not in {"running", "degraded"}:
            assert time.monotonic() < deadline, f"{name} did not boot: {attempt('logs', '--tail=20', name).tail()}"
            time.sleep(0.3)
        public = self.key.with_suffix(".pub").read_text().strip()
        arguments = [public, "password" if host.password else "none", "" if host.name == JUMP else self.jump_address]
        done = attempt("exec", "-i", name, "sh", "-s", "--", *arguments, stdin=_FIRST_BOOT.encode())
        assert done.ok, f"{name}: {done.tail()}"
        return done.out.strip()


def ensure_image() -> str:
    """The image of a bare host, made from Debian's base once."""
    base = image.base_reference(_quiet)
    script = _CONTAINER_SH.read_text() + _INSTALL
    reference = f"utopia-bare:{hashlib.sha256(f'{base}{script}'.encode()).hexdigest()[:16]}"
    if not inspect("image", [reference]):
        name = f"utopia-bare-image-{reference.partition(':')[2]}"
        attempt("rm", "--force", name)
        docker("run", f"--name={name}", "--interactive", base, "sh", "-s", stdin=script.encode(), timeout=120)
        docker("commit", '--change=CMD ["/lib/systemd/systemd"]', f"--change=LABEL {LABEL}=", name, reference)
        docker("rm", name)
    return reference


def _quiet(_node: str, text: str) -> None:
    print(f"      {text}", file=sys.__stderr__, flush=True)
