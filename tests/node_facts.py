"""What the role contracts ask of a machine, fetched in one round trip per node and then looked up.

A question per SSH command would cost seconds on a cluster; one script answers them all.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bootstrap import sudo_password
from bootstrap.model import Port

SECONDS = 30.0  # for one question to a service: making an index took more than five on a computer of seven machines

_MARK = "%%%%"

# Section -> command. A section whose command fails or is not there is empty, and its check fails.
SECTIONS: Mapping[str, str] = {
    "clock": "date +%s.%N",
    # Without --all: a service that is not even loaded does not run, and asking for it too costs three times as much.
    "units": "systemctl show -p Id,ActiveState,UnitFileState,User '*.service' '*.timer'",
    "our-units": "cd /etc/systemd/system && grep -ls '^# managed by Salt' ./*.service ./*.timer",
    "unit-failed": "systemctl list-units --failed --plain --no-legend --all",
    "listening": "ss -Hltun",
    "packages": r"dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n'",
    "hosts": "cat /etc/hosts",
    "hostname": "hostname",
    "own-address": 'getent ahostsv4 "$(hostname)"',
    "resolvable": "getent -s files hosts $NAMES",
    "sysctl": "sysctl $KEYS",
    "processes": "ps -eo user:32=,pid=,args= -ww",
    "ntp": "chronyc tracking",
    "journal": "journalctl -q -b -o cat -u systemd-journald -g '^System Journal' -n 1",
    "marked": "ls /var/lib/utopia/restart-needed",
    "swap": "cat /proc/swaps",
    "docker": "test -S /run/docker.sock && docker info --format '{{json .}}'",
    "images": "test -S /run/docker.sock && docker image ls --format '{{.Repository}}:{{.Tag}}'",
    "salt": "cd /opt/saltstack/salt/lib/python3*/site-packages && ls -d salt-[0-9]*.dist-info",
    "salt-keys": "cd /etc/salt/pki/master && ls -1d minions*/*",
}

# Where configuration, what Salt keeps, and leftovers lie. Not the tasks' and databases' own data.
FOLDERS = (
    "/etc /root /tmp /opt/utopia /srv/utopia/pillar /srv/utopia/salt "
    "/var/log /var/spool /var/lib/utopia /var/cache/salt"
)
# The patterns come on standard input and stay in a shell variable; `printf` is the shell's own, so that
# no secret is ever an argument. Prints the files below $FOLDERS that hold one, with mode and owner, then how
# many of the newest lines of the journal do, and of the arguments and environments of processes.
_HUNT = r"""
patterns=$(cat)
feed() { printf '%s\n' "$patterns"; }
feed | grep -rlF --exclude-dir=journal --exclude-dir=site-packages -f - $FOLDERS 2>/dev/null \
    | while read -r file; do stat -c 'file %a %U:%G %n' "$file"; done
feed | (exec 3<&0; journalctl --no-pager -q -o cat -b -n 50000 | grep -cF -f /dev/fd/3 | sed 's/^/journal /')
feed | (exec 3<&0; ps -eo args -ww | grep -cF -f /dev/fd/3 | sed 's/^/argv /')
feed | (exec 3<&0; cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -caF -f /dev/fd/3 \
    | sed 's/^/environment /')
"""


@dataclass(frozen=True)
class Leaks:
    """Where a secret was found on a node: files with mode and owner, and how many lines elsewhere."""

    files: tuple[tuple[str, str, str], ...]  # path, mode, user:group
    lines: Mapping[str, int]  # journal, argv, environment


class Facts:
    """The answers of one node. Nothing of it is shown by assertions: processes may carry anything."""

    def __init__(self, node: str, text: str, asked_at: float, answered_at: float) -> None:
        self.node = node
        self.asked_at, self.answered_at = asked_at, answered_at
        parts = re.split(rf"^{_MARK} (\S+)$", text, flags=re.MULTILINE)
        self._sections = dict(zip(parts[1::2], (part.strip("\n") for part in parts[2::2]), strict=True))

    def __repr__(self) -> str:
        return f"Facts({self.node})"

    def text(self, section: str) -> str:
        return self._sections[section]

    def lines(self, section: str) -> list[str]:
        return [line for line in self.text(section).splitlines() if line.strip()]

    @cached_property
    def units(self) -> dict[str, dict[str, str]]:
        """Loaded services by name without `.service`, and timers."""
        blocks = (dict(line.split("=", 1) for line in block.splitlines()) for block in self.text("units").split("\n\n"))
        return {block["Id"].removesuffix(".service"): block for block in blocks if "Id" in block}

    @cached_property
    def packages(self) -> dict[str, str]:
        """Installed packages and their versions."""
        rows = (line.split("\t") for line in self.lines("packages"))
        return {name: version for state, name, version in rows if state.startswith("ii")}

    @cached_property
    def listening(self) -> set[tuple[str, str, int]]:
        """(protocol, address, port) of every listening socket; address "" means any."""
        found = set()
        for line in self.lines("listening"):
            protocol, _state, _receive, _send, local = line.split()[:5]
            address, _, port = local.rpartition(":")
            address = address.strip("[]").partition("%")[0].removeprefix("::ffff:")
            found.add((protocol, "" if address in ("*", "0.0.0.0", "::") else address, int(port)))
        return found

    @cached_property
    def docker(self) -> dict[str, Any]:
        return dict(json.loads(self.text("docker") or "{}"))

    def processes(self, pattern: str) -> list[str]:
        """Users whose process has a command line that matches."""
        return [line.split()[0] for line in self.lines("processes") if re.search(pattern, line.split(None, 2)[2])]


def left(facts: Facts, components: Iterable[str], salt: Path) -> list[str]:
    """Units of ours that are up though they belong to none of these components. `salt`: the tree of states."""
    homes = {path.name: path.parts[-3] for kind in ("service", "timer") for path in salt.glob(f"*/files/*.{kind}")}
    ours, wanted = {line.removeprefix("./") for line in facts.lines("our-units")}, set(components)
    strange = sorted(name for name, component in homes.items() if component not in wanted and name in ours)
    return [
        name for name in strange if facts.units.get(name.removesuffix(".service"), {}).get("ActiveState") == "active"
    ]


def not_running(facts: Facts, units: Iterable[str]) -> list[str]:
    """What is wrong with these services: not running now, or not at the next boot."""
    wrong = []
    for unit in units:
        found = facts.units.get(unit, {"ActiveState": "not there", "UnitFileState": ""})
        if found["ActiveState"] != "active":
            wrong.append(f"{unit} is {found['ActiveState']}")
        elif found["UnitFileState"] != "enabled":
            wrong.append(f"{unit} is not enabled, so it does not come back after a boot")
    return wrong


def not_somebodys(facts: Facts, units: Iterable[str]) -> list[str]:
    """Services that run as root."""
    users = {unit: facts.units.get(unit, {}).get("User", "") for unit in units}
    return [f"{unit} runs as root" for unit, user in users.items() if user in ("", "root")]


def closed(facts: Facts, address: str, ports: Iterable[Port]) -> list[str]:
    """Ports on which nothing listens that other nodes could reach."""
    reachable = {(protocol, port) for protocol, on, port in facts.listening if on in ("", address)}
    return [
        f"nothing listens on {port.number}/{port.protocol} ({port.name})"
        for port in ports
        if (port.protocol, port.number) not in reachable
    ]


def missing(facts: Facts, packages: Iterable[str]) -> list[str]:
    """Packages that are not installed."""
    return [f"package {name} is not installed" for name in packages if name not in facts.packages]


def script(names: Sequence[str], sysctl: Iterable[str]) -> str:
    """The one command that answers everything."""
    head = f"NAMES={shlex.quote(' '.join(names))}; KEYS={shlex.quote(' '.join(sysctl))}; export LC_ALL=C;"
    parts = [f"echo; echo '{_MARK} {name}'; {{ {command}; }} 2>/dev/null;" for name, command in SECTIONS.items()]
    return head + " ".join(parts) + " true"


def gather(host: Any, node: str, command: str) -> Facts:
    """Ask `node` through its Testinfra host."""
    asked = time.time()
    result = host.run(f"sh -c {shlex.quote(command)}")
    assert result.rc == 0, f"{node}: the facts could not be gathered: {result.stderr.strip()[-300:]}"
    return Facts(node, result.stdout, asked, time.time())


def as_root(sudo: str | None) -> tuple[tuple[str, ...], bytes]:
    """Words before a command that needs root, and what it reads before its own input."""
    if sudo:
        return sudo_password.AS_ROOT, sudo_password.before_input(sudo)
    return (() if sudo is None else ("sudo", "-n")), b""


def hunt(node: str, ssh_config: Path, secrets: Iterable[str], *, sudo: str | None) -> Leaks:
    """Where these secrets lie on `node`. They go over standard input, past Testinfra, which has none.

    `sudo`: None = not needed, "" = it asks for no password, else where its password comes from.
    """
    hunt_script = f"FOLDERS='{FOLDERS}'\n{_HUNT}"
    words, before = as_root(sudo)
    command = ["ssh", "-F", str(ssh_config), node, shlex.join([*words, "sh", "-c", hunt_script])]
    given = before.decode() + "\n".join(secrets)
    result = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, f"{node}: the hunt for secrets failed: {result.stderr.strip()[-300:]}"
    rows = [line.split(" ", 3) for line in result.stdout.splitlines()]
    files = tuple((row[3], row[1], row[2]) for row in rows if row[0] == "file")
    lines = {row[0]: int(row[1]) for row in rows if row[0] != "file"}
    assert set(lines) == {"journal", "argv", "environment"}, f"{node}: the hunt for secrets did not end"
    return Leaks(files, lines)
