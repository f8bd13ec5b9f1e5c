"""What keeps a container with its executor, and the executor with its agent."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from utopia_mesos import survival
from waiting import eventually

SANDBOX = "slaves/S/frameworks/F/executors/E/runs/C"


def test_the_file_in_the_agents_meta_folder(tmp_path: Path) -> None:
    work = tmp_path / "slaves/of/mine"  # the same word above must not mislead
    expected = work / "meta" / SANDBOX / "pids/libprocess.pid"
    assert survival.pid_file(work / SANDBOX) == expected


def test_another_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the path of a sandbox"):
        survival.pid_file(tmp_path / "a/b/c/d/e/f/g/h/i")


def test_the_announced_address_takes_connections(tmp_path: Path) -> None:
    survival.announce("127.0.0.1", tmp_path / "libprocess.pid")
    text = (tmp_path / "libprocess.pid").read_text()
    assert text.startswith("executor(1)@127.0.0.1:")
    assert not text.endswith("\n")
    assert [path.name for path in tmp_path.iterdir()] == ["libprocess.pid"]
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", int(text.rpartition(":")[2])), timeout=5) as connection:
            connection.sendall(b"x" * 100_000)


GUARDED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from utopia_mesos.survival import Guard
guard = Guard(["touch", sys.argv[2]])
if sys.argv[3] == "well":
    guard.dismiss()
os._exit(0)
"""


def guards(marker: Path) -> list[Path]:
    """The guard processes that would touch `marker`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"mesos-docker-guard" in words and str(marker).encode() in words:
            found.append(entry)
    return found


@pytest.mark.parametrize(("way", "acts"), [("well", False), ("suddenly", True)])
def test_the_guard_acts_when_its_process_dies_without_a_word(tmp_path: Path, way: str, acts: bool) -> None:
    marker = tmp_path / "stopped"
    python = str(Path(survival.__file__).parents[1])
    subprocess.run([sys.executable, "-c", GUARDED, python, str(marker), way], check=True)
    eventually(lambda: not guards(marker), 10, "the guard does not end")
    assert marker.exists() is acts
