"""The SSH configuration of an environment, for OpenSSH, scp, Testinfra and people."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bootstrap import paths
from bootstrap.errors import UnreachableError
from bootstrap.model import Machine

_COMMON = """\
Host *
    IdentityFile "{key}"
    IdentitiesOnly yes
    UserKnownHostsFile "{known}"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    PasswordAuthentication no
    ConnectTimeout 10
    KexAlgorithms ^curve25519-sha256
    ServerAliveInterval 15
    LogLevel ERROR
    ControlMaster auto
    ControlPath "{control}/%C"
    ControlPersist 60
"""


def path_of(env: str) -> Path:
    """Where the configuration lies."""
    return paths.state_dir(env) / "ssh" / "config"


def write(env: str, machines: Iterable[Machine], key: Path, known: Path) -> Path:
    """Write it (only when it differs) and return its path."""
    blocks = ["# Written by bootstrap; overwritten by its next run.\n"]
    blocks += [_block(machine) for machine in dict.fromkeys(e for m in machines for e in (*m.way, m))]
    blocks.append(_COMMON.format(key=key, known=known, control=control_folder(env)))
    content, path = "\n".join(blocks), path_of(env)
    if not path.exists() or path.read_text() != content:
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(content)
        draft.chmod(0o600)
        draft.replace(path)
    return path


def _block(machine: Machine) -> str:
    """OpenSSH takes the first value that it finds, so what is a machine's own comes before what is everybody's."""
    lines = [
        f"Host {machine.node}",
        f"HostName {machine.address}",
        f"Port {machine.port}",
        f"User {machine.user}",
    ]
    lines += [f'IdentityFile "{machine.key}"'] if machine.key else []
    lines += ["IdentitiesOnly no"] if machine.agent else []
    if machine.agent and not machine.key:
        lines += [f"IdentityFile ~/.ssh/{name}" for name in ("id_ed25519", "id_ecdsa", "id_rsa")]
    lines += [f"ProxyJump {machine.through.node}"] if machine.through else []
    return "\n    ".join(lines) + "\n"


def close_masters(env: str) -> None:
    """End the shared connections that OpenSSH keeps open in the background; none left is fine."""
    for control in control_folder(env).iterdir():
        subprocess.run(["ssh", "-o", f"ControlPath={control}", "-O", "exit", "-"], capture_output=True, check=False)
        control.unlink(missing_ok=True)  # what a killed master left behind


def control_folder(env: str) -> Path:
    """Where the sockets of shared connections lie: a short path (sockets have room for 107 bytes), ours alone."""
    mark = hashlib.sha256(str(paths.state_dir(env)).encode()).hexdigest()[:8]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = Path(runtime) if runtime and len(runtime) < 24 else Path("/tmp")  # noqa: S108 - checked below
    folder = base / f"utopia-{os.getuid()}-{mark}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UnreachableError(
            f"{folder} is not a folder of ours alone",
            cause="somebody else made it, or its mode was changed",
            next_step=f"remove {folder} and run again",
        )
    return folder
