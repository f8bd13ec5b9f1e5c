"""What a Docker executor needs so that its container neither dies with the agent nor outlives the executor."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from .values import log

# Stops the container when the pipe breaks, i.e. when the executor dies without a word. The container may
# be about to appear just then, hence some attempts.
_GUARD = """
read -r word
[ "$word" = done ] && exit 0
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    "$@" >/dev/null 2>&1 && exit 0
    sleep 1
done
"""


class Guard:
    """A process that runs `stop` when this one is gone."""

    def __init__(self, stop: Sequence[str]) -> None:
        reading, self._writing = os.pipe()
        try:
            subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "mesos-docker-guard", *stop],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(reading)

    def dismiss(self) -> None:
        """The container has ended: nothing is left to stop."""
        try:
            os.write(self._writing, b"done\n")
        except BrokenPipeError:
            log("the guard process was gone")
        finally:
            os.close(self._writing)


def pid_file(sandbox: Path) -> Path:
    """Where the agent looks for the address of an executor: its meta folder mirrors the sandboxes' paths.

    <work_dir>/slaves/S/frameworks/F/executors/E/runs/C -> <work_dir>/meta/slaves/.../C/pids/libprocess.pid
    """
    slaves = sandbox.parents[6]
    if slaves.name != "slaves":
        raise ValueError(f"not the path of a sandbox: {sandbox}")
    work_dir = slaves.parent
    return work_dir / "meta" / sandbox.relative_to(work_dir) / "pids/libprocess.pid"


def announce(address: str, file: Path) -> None:
    """Let the restarted agent recover this executor's container.

    Its Docker containerizer takes back only containers whose executor has left a libprocess address to which a
    connection can be opened; what comes over the connection may be ignored, as this executor subscribes again
    over HTTP anyway.
    """
    listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    threading.Thread(target=_accept, args=(listener,), name="announce", daemon=True).start()
    port = listener.getsockname()[1]
    new = file.with_name(".libprocess.pid.new")
    new.write_text(f"executor(1)@{f'[{address}]' if ':' in address else address}:{port}")
    new.rename(file)


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_drain, args=(connection,), name="drain", daemon=True).start()


def _drain(connection: socket.socket) -> None:
    with connection:
        try:
            while connection.recv(65536):
                pass
        except ConnectionError:  # the agent was killed: its next life connects again
            return
