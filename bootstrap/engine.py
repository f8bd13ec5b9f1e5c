"""The Docker engine and the tools that baking needs: found, or installed from Debian where we may.

We may when we are root or sudo asks for no password. Nothing is installed from anywhere but the
machine's own apt sources.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bootstrap import paths
from bootstrap.errors import EngineError
from bootstrap.process import Completed, Progress, run, stream

# Program -> the Debian package that has it.
ENGINE_PROGRAMS = {"docker": "docker.io", "dockerd": "docker.io", "iptables": "iptables"}
BAKING_PROGRAMS = {"mmdebstrap": "mmdebstrap"}
BUILDING_PROGRAMS = {"g++": "g++", "gcc": "gcc", "nm": "binutils", "dpkg-deb": "dpkg"}

PID_FILE = Path("/var/run/docker.pid")
_READY_SECONDS = 60.0
_POLL_SECONDS = 0.25
_APT_SECONDS = 900.0


def ensure(progress: Progress) -> None:
    """An engine answers when this returns; else EngineError says what to do."""
    probe = _probe()
    if probe.ok:
        return
    _refuse_without_permission(probe)
    if os.environ.get("DOCKER_HOST"):
        raise EngineError(
            f"the Docker engine at {os.environ['DOCKER_HOST']} does not answer",
            lines=probe.tail(3),
            next_step="start it, or unset DOCKER_HOST to use this machine's own",
        )
    install(ENGINE_PROGRAMS, progress, why="the lab's machines are containers of a Docker engine")
    _start(progress)


def ensure_tools(progress: Progress, programs: Mapping[str, str] = BAKING_PROGRAMS) -> None:
    """Every program of `programs` is there (program -> Debian package)."""
    install(programs, progress, why="the machine image is made with it")


def install(programs: Mapping[str, str], progress: Progress, *, why: str) -> None:
    """Install the packages of those programs that are missing."""
    packages = missing_packages(programs)
    if not packages:
        return
    root = privilege()
    if root is None:
        raise EngineError(
            f"not installed: {', '.join(packages)}",
            cause=f"{why}; we are not root and sudo asks for a password",
            next_step=f"sudo apt-get install --no-install-recommends {' '.join(packages)}",
        )
    progress("", f"installing {', '.join(packages)}")
    _apt([*root, *_apt_get("update")])
    # policy-rc.d would start the engine in a way that depends on PID 1; starting is our own step.
    _apt([*root, *_apt_get("install", "--yes", "--no-install-recommends", *packages)])


def missing_packages(programs: Mapping[str, str]) -> list[str]:
    """Packages of the programs that PATH does not have; /usr/sbin counts, even where PATH lacks it."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted({package for program, package in programs.items() if shutil.which(program, path=search) is None})


def privilege() -> list[str] | None:
    """Words to put before a command that needs root: none for root, `sudo -n`, or None when we may not."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if run(["sudo", "-n", "true"], timeout=10).ok else None


def stale_pid(pid_file: Path, proc: Path = Path("/proc")) -> int | None:
    """The process id in `pid_file` when no dockerd has it any more: such a file stops the next start."""
    try:
        pid = int(pid_file.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
    try:
        name = (proc / str(pid) / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return pid
    return None if name == "dockerd" else pid


def boots_systemd(marker: Path = Path("/run/systemd/system")) -> bool:
    """Whether PID 1 is systemd (the folder sd_booted(3) looks for)."""
    return marker.is_dir()


def _start(progress: Progress) -> None:
    root = privilege()
    if root is None:
        raise EngineError(
            "the Docker engine is installed, but does not run",
            cause="we are not root and sudo asks for a password, so it cannot be started here",
            next_step="sudo systemctl start docker",
        )
    progress("", "starting the Docker engine")
    if boots_systemd():
        done = run([*root, "systemctl", "enable", "--now", "docker.service"], timeout=_READY_SECONDS)
        _await(lambda: (*done.tail(3), *_unit_log(root)), next_step="systemctl status docker")
        return
    log = _start_by_hand(root, progress)
    _await(lambda: _file_tail(log), next_step=f"look at {log}")


def _start_by_hand(root: Sequence[str], progress: Progress) -> Path:
    """dockerd without a service manager: detached, its log and process id kept in the cache folder."""
    pid = stale_pid(PID_FILE)
    if pid is not None:
        progress("", f"removing {PID_FILE}: process {pid} is no engine any more")
        run([*root, "rm", "--force", str(PID_FILE)])
    folder = paths.cache_dir() / "engine"
    folder.mkdir(exist_ok=True)
    log = folder / "dockerd.log"
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    with log.open("ab") as output:
        child = subprocess.Popen(
            [*root, "dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # our own end, or Ctrl-C, is not its end
            env={**os.environ, "PATH": search},
        )
    (folder / "dockerd.pid").write_text(f"{child.pid}\n", encoding="ascii")
    return log


def _probe() -> Completed:
    return run(["docker", "version", "--format={{.Server.Version}}"], timeout=20)


def _refuse_without_permission(probe: Completed) -> None:
    """The engine is there, but its socket belongs to others: waiting would not help."""
    if "permission denied" in probe.err.lower():
        raise EngineError(
            "the Docker engine runs, but this user may not use it",
            lines=probe.tail(3),
            next_step="`sudo adduser $USER docker` and log in again, or run as root",
        )


def _await(log: Callable[[], tuple[str, ...]], *, next_step: str) -> None:
    """Until the engine answers, at most _READY_SECONDS."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        probe = _probe()
        if probe.ok:
            return
        _refuse_without_permission(probe)
        time.sleep(_POLL_SECONDS)
    raise EngineError(
        f"the Docker engine was started, but did not answer within {_READY_SECONDS:g} s",
        lines=log(),
        cause="the lines above are the end of its log",
        next_step=next_step,
    )


def _unit_log(root: Sequence[str]) -> tuple[str, ...]:
    return run([*root, "journalctl", "--unit=docker", "--no-pager", "--lines=15", "--output=cat"]).tail()


def _file_tail(log: Path) -> tuple[str, ...]:
    return tuple(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def _apt_get(*words: str) -> list[str]:
    return ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=120", *words]


def _apt(argv: Sequence[str]) -> None:
    done = stream(argv, lambda _line: None, timeout=_APT_SECONDS)
    if not done.ok:
        raise EngineError(
            "apt-get failed",
            where=" ".join(argv),
            lines=done.tail(),
            cause="the machine's apt sources do not answer, or do not have the package",
            next_step="run the command above by hand; when it works, run this again",
        )
