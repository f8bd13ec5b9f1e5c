"""Why a unit ended the last time. Asked over SSH, and only of one that does not answer: its network cannot say."""

from __future__ import annotations

import subprocess

from bootstrap import ssh_config
from bootstrap.health import View

_SECONDS = 1.0
# Marathon's own exit statuses, which utopia-scheduler shares.
MARATHON = {
    100: "it could not connect to ZooKeeper: is there a quorum, and is its login right?",
    101: "it lost ZooKeeper",
    103: "it lost its office, and comes back as one that stands by",
    106: "its connection to Mesos ended on an error: does a master lead?",
    107: "its state in ZooKeeper cannot be read",
    108: "ZooKeeper has instances but no framework id: restore /marathon from a backup, or remove it whole",
    109: "libmesos is older than this Marathon needs: see settings marathon.native_library",
    110: "Mesos has removed its framework (failover_timeout passed, or it was torn down): every task is gone; "
    "remove the framework id below /marathon to begin anew",
    111: "its port is taken",
    112: "a flag is not one of this release: bootstrap validate names it",
    137: "it was killed, perhaps for want of memory",
    203: "its program is not there",
}


def last(view: View, node: str, unit: str) -> int | None:
    """The exit status of the unit's main process, None when it cannot be had in time."""
    config = ssh_config.path_of(view.cluster.env)
    if not config.exists():
        return None
    command = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=1", node]
    command += ["systemctl", "show", "--property=ExecMainStatus", "--value", unit]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    text = done.stdout.strip()
    return int(text) if text.isdigit() else None


def advice(status: int | None) -> str:
    """In words, "" where there is nothing to say."""
    if not status:
        return ""
    return f"ended with status {status}" + (f": {MARATHON[status]}" if status in MARATHON else "")
