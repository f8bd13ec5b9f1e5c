"""Host keys of machines that we did not make: from known_hosts, from the topology, or confirmed once by a person.

A key that nobody vouches for is never used; what a person confirmed is recorded in the environment's known_hosts.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bootstrap import known_hosts
from bootstrap.errors import HostKeyError, OperatorError
from bootstrap.model import Machine
from bootstrap.process import Progress

_AT_ONCE = 32
_SHOWN = 50  # hosts whose keys are listed for a person to compare
_PREFIX = "SHA256:"

Offer = Callable[[Machine], tuple[str, ...]]  # the keys a host shows, by asking it; raises UnreachableError
Confirm = Callable[[str, str], bool]


@dataclass(frozen=True)
class Vouched:
    """Whose word counts: `given` is the topology's (node -> fingerprints or keys), `files` are known_hosts."""

    given: Mapping[str, tuple[str, ...]]
    files: KnownHosts
    domain: str

    def keys(self, machine: Machine) -> tuple[str, ...]:
        """Key fields known without asking the host; what the topology gives outweighs every file."""
        names = (machine.node, machine.address, f"{machine.node}.{self.domain}")
        known = self.files.keys(names, machine.port)
        given = self.given.get(machine.node)
        if not given:
            return known
        whole = tuple(" ".join(text.split()[:2]) for text in given if not text.startswith(_PREFIX))
        return whole + tuple(key for key in known if _print(key) in given and key not in whole)

    def known(self, machine: Machine) -> Machine:
        """The machine and its jump hosts with the keys that are known now."""
        through = self.known(machine.through) if machine.through else None
        return replace(machine, host_keys=self.keys(machine), through=through)


def settle(
    machines: Sequence[Machine], vouched: Vouched, *, offer: Offer, confirm: Confirm, progress: Progress
) -> tuple[Machine, ...]:
    """The machines with their host keys. Raises HostKeyError where a key is missing or another than given."""
    hops = {hop for machine in machines for hop in machine.way}
    settled: dict[Machine, Machine] = {}

    def linked(machine: Machine) -> Machine:
        through = settled[machine.through] if machine.through else None
        return replace(machine, host_keys=vouched.keys(machine), through=through)

    for depth in sorted({len(hop.way) for hop in hops}):
        layer = [hop for hop in hops if len(hop.way) == depth]
        found = _layer([linked(hop) for hop in layer], vouched, offer, confirm, progress)
        settled.update(zip(layer, found, strict=True))
    return _layer([linked(machine) for machine in machines], vouched, offer, confirm, progress)


def _layer(
    machines: Sequence[Machine], vouched: Vouched, offer: Offer, confirm: Confirm, progress: Progress
) -> tuple[Machine, ...]:
    unknown = [machine for machine in machines if not machine.host_keys]
    if not unknown:
        return tuple(machines)
    progress("", f"asking {len(unknown)} hosts for their keys")
    offers = _offers(unknown, offer)
    strange: dict[str, tuple[str, ...]] = {}
    chosen: dict[str, tuple[str, ...]] = {}
    for machine in unknown:
        given = vouched.given.get(machine.node, ())
        chosen[machine.node] = tuple(key for key in offers[machine.node] if _print(key) in given)
        if given and not chosen[machine.node]:
            strange[machine.node] = given
    if strange:
        raise _not_as_given(unknown, offers, strange)
    unvouched = [machine for machine in unknown if not chosen[machine.node]]
    if unvouched:
        _let_confirm(unvouched, offers, confirm)
        chosen |= {machine.node: offers[machine.node] for machine in unvouched}
    return tuple(replace(m, host_keys=chosen[m.node]) if m.node in chosen else m for m in machines)


def _offers(machines: Sequence[Machine], offer: Offer) -> dict[str, tuple[str, ...]]:
    def attempt(machine: Machine) -> tuple[str, ...] | OperatorError:
        try:
            return offer(machine)
        except OperatorError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        outcomes = list(zip(machines, pool.map(attempt, machines), strict=True))
    failures = [found for _, found in outcomes if isinstance(found, OperatorError)]
    if failures:
        raise type(failures[0])(
            failures[0].what if len(failures) == 1 else f"{len(failures)} hosts do not show a host key",
            where=failures[0].where if len(failures) == 1 else "",
            lines=[f"{failure.where}: {' '.join(failure.lines)}" for failure in failures],
            cause=failures[0].cause,
            next_step=failures[0].next_step,
        )
    return {machine.node: found for machine, found in outcomes if not isinstance(found, OperatorError)}


def _let_confirm(machines: Sequence[Machine], offers: Mapping[str, tuple[str, ...]], confirm: Confirm) -> None:
    lines = [_line(machine, key) for machine in machines for key in offers[machine.node]]
    shown = lines[:_SHOWN] + ([f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else [])
    text = "\n".join(["The host keys of these hosts are not known yet:", *(f"  {line}" for line in shown)])
    if confirm(text, f"Compare them on the hosts' consoles. Record these {len(lines)} keys for good?"):
        return
    first = machines[0]
    raise HostKeyError(
        f"the host keys of {len(machines)} hosts are not known",
        where=", ".join(machine.node for machine in machines[:10]) + (" ..." if len(machines) > 10 else ""),
        lines=shown,
        cause="keys of machines that we did not make are never accepted on first sight",
        next_step="compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on each console; then run it in a"
        f" terminal and answer yes, or write the fingerprint into the topology ({_place(first)}: SHA256:...)",
    )


def _not_as_given(
    machines: Iterable[Machine], offers: Mapping[str, tuple[str, ...]], strange: Mapping[str, tuple[str, ...]]
) -> HostKeyError:
    chosen = [machine for machine in machines if machine.node in strange]
    lines = []
    for machine in chosen:
        lines += [f"{machine.node}: the topology says {text}" for text in strange[machine.node]]
        lines += [f"{machine.node}: the host shows {known_hosts.fingerprint(key)}" for key in offers[machine.node]]
    return HostKeyError(
        f"{len(chosen)} hosts show another key than the topology says",
        where=", ".join(f"{machine.node} ({machine.address}:{machine.port})" for machine in chosen[:10]),
        lines=lines,
        cause="the host was installed anew, its address went to another one, or someone is in between",
        next_step="compare `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its console, and correct "
        f"{_place(chosen[0])} only if that is what it shows",
    )


def _line(machine: Machine, key: str) -> str:
    return f"{machine.node} ({machine.address}:{machine.port}) {known_hosts.fingerprint(key)}"


def _place(machine: Machine) -> str:
    return "driver.jump: host_key" if "." in machine.node else f"driver.hosts.{machine.node}.host_key"


def _print(key: str) -> str:
    return known_hosts.fingerprint(key).split()[1]


class KnownHosts:
    """known_hosts files, read once: plain names by dictionary, hashed ones by trying."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._plain: dict[str, list[str]] = {}
        self._hashed: list[tuple[bytes, bytes, str]] = []
        self._revoked: set[str] = set()
        for file in files:
            if file.is_file():
                for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                    self._add(line.split())

    def keys(self, names: Sequence[str], port: int) -> tuple[str, ...]:
        """Key fields of the first of `names` that is known."""
        for name in names:
            host = name if port == 22 else f"[{name}]:{port}"
            keys = self._plain.get(host, []) + [
                key for salt, digest, key in self._hashed if hmac.digest(salt, host.encode(), "sha1") == digest
            ]
            if keys := [key for key in keys if key not in self._revoked]:
                return tuple(dict.fromkeys(keys))
        return ()

    def _add(self, fields: list[str]) -> None:
        """Comments, patterns and certificate authorities are not host keys of one machine."""
        if len(fields) > 3 and fields[0] == "@revoked":
            self._revoked.add(" ".join(fields[2:4]))
        if len(fields) < 3 or fields[0].startswith(("#", "@")):
            return
        key = " ".join(fields[1:3])
        if fields[0].startswith("|1|"):
            salt, digest = fields[0].split("|")[2:4]
            self._hashed.append((base64.b64decode(salt), base64.b64decode(digest), key))
            return
        for name in fields[0].split(","):
            self._plain.setdefault(name, []).append(key)
