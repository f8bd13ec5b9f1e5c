"""The host keys we expect: `state/<env>/ssh/known_hosts`, in OpenSSH's format.

A machine we made tells its keys over a channel of the driver; an existing host's keys are given or
confirmed by a person. Nothing here ever asks the network.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from bootstrap import paths
from bootstrap.model import Machine


def record(env: str, machines: Iterable[Machine]) -> Path:
    """Write down the machines' keys; one without keys keeps those recorded earlier. Returns the file."""
    path = paths.state_dir(env) / "ssh" / "known_hosts"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    before = path.read_text() if path.exists() else ""
    earlier: dict[str, list[str]] = {}
    for line in before.splitlines():
        names, _, key = line.partition(" ")
        earlier.setdefault(names, []).append(key)
    entries: dict[str, list[str]] = {}
    for machine in (each for one in machines for each in (*one.way, one)):
        names = names_of(machine)
        if machine.host_keys or names not in entries:
            entries[names] = [" ".join(key.split()[:2]) for key in machine.host_keys or earlier.get(names, [])]
    content = "".join(f"{names} {key}\n" for names, keys in entries.items() for key in keys)
    if content != before or not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(content)
        draft.chmod(0o600)
        draft.replace(path)
    return path


def names_of(machine: Machine) -> str:
    """Under which names a client looks its key up: the node's, and its address as OpenSSH writes it."""
    return f"{machine.node},{lookup_name(machine)}"


def lookup_name(machine: Machine) -> str:
    """`address`, or `[address]:port` when the port is not 22."""
    return machine.address if machine.port == 22 else f"[{machine.address}]:{machine.port}"


def fingerprint(key: str) -> str:
    """`ssh-ed25519 SHA256:...` of a key field, as ssh-keygen shows it."""
    kind, _, blob = key.partition(" ")
    try:
        digest = hashlib.sha256(base64.b64decode(blob.split(" ")[0], validate=True)).digest()
    except binascii.Error:
        return f"{kind} (not a key)"
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
