"""Markers instead of restarts: a state writes configuration, the executor rolls the nodes that need it.

A clustered service must not be restarted on every node at once because a file changed. `marked` leaves a
file in MARKERS when the running process is older than what it read at its start; `pending` tells the
executor; `performed` and `done` are the two ends of one node's restart.
"""

import time
from pathlib import Path

MARKERS = Path("/var/lib/utopia/restart-needed")


def marked(name, files):
    """Leave a marker if service `name` has been running since before one of `files` was written.

    Comparing times instead of listening to this run's changes also finds what a run wrote that was
    interrupted before it could leave the marker. Missing files do not count, and neither do times to
    come: they say that a clock was wrong, and a restart would not make them go away.
    """
    unit = __salt__["units.show"](name)
    if unit["NeedDaemonReload"] == "yes" and not __opts__["test"]:
        __salt__["service.systemctl_reload"]()
    newer = [path for path in files if _started(unit) < _written(path) <= time.time()]
    if not newer or _marker(name).exists():
        return _result(name, True, "no new reason to restart")
    reason = f"{', '.join(newer)} changed since {name} started"
    if __opts__["test"]:
        return _result(name, None, reason)
    _marker(name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _marker(name).write_text(f"{reason}\n", encoding="utf-8")
    return _result(name, True, reason, {"restart": f"needed: {reason}"})


def pending(name):
    """Say whether service `name` waits for its restart: the comment is `pending` or `none`, never a change."""
    return _result(name, True, "pending" if _marker(name).exists() else "none")


def performed(name):
    """Restart service `name` if it is marked. The marker stays until `done`: a roll cut short is repeated."""
    if not _marker(name).exists():
        return _result(name, True, "not marked for a restart")
    if __opts__["test"]:
        return _result(name, None, f"{name} would be restarted")
    if not __salt__["service.restart"](name):
        return _result(name, False, f"systemd could not restart {name}: see `journalctl -u {name}`")
    return _result(name, True, "restarted", {"restart": name})


def joined(name):
    """Restart service `name` at once if it is marked and serves alone, while its files name others.

    The others can do nothing before it has joined them, and it leaves nobody behind who could serve meanwhile:
    waiting for its turn in a roll, which begins when all are ready, it would wait for ever.
    """
    if not _marker(name).exists():
        return _result(name, True, "not marked for a restart")
    if __salt__["readiness.probe"](name)["mode"] != "standalone" or not __salt__["readiness.others"](name):
        return _result(name, True, "its turn comes in the roll")
    if __opts__["test"]:
        return _result(name, None, f"{name} would be restarted to join the others")
    if not __salt__["service.restart"](name):
        return _result(name, False, f"systemd could not restart {name}: see `journalctl -u {name}`")
    _marker(name).unlink()
    return _result(name, True, "restarted to join the others", {"restart": name})


def done(name):
    """Take the marker of service `name` away; its requisite is the proof that the service is ready."""
    marker = _marker(name)
    if not marker.exists():
        return _result(name, True, "no marker")
    if __opts__["test"]:
        return _result(name, None, "the marker would be removed")
    marker.unlink()
    return _result(name, True, "marker removed", {"marker": "removed"})


def reloaded(name, files):
    """Reload service `name` (not clustered, loses no request) if one of `files` is newer than its last (re)load."""
    since = _since_boot(__salt__["units.show"](name)["StateChangeTimestampMonotonic"])
    newer = [path for path in files if since < _written(path) <= time.time()]
    if not newer:
        return _result(name, True, "up to date")
    reason = f"{', '.join(newer)} changed"
    if __opts__["test"]:
        return _result(name, None, reason)
    if not __salt__["service.reload"](name):
        return _result(name, False, f"systemd could not reload {name}: see `journalctl -u {name}`")
    return _result(name, True, reason, {"reload": reason})


def _marker(name):
    return MARKERS / name


def _started(unit):
    """When the unit's main process started, as Unix time; never, if it does not run."""
    if unit["ActiveState"] not in ("active", "reloading", "deactivating"):
        return float("inf")
    return _since_boot(unit["ExecMainStartTimestampMonotonic"])


def _since_boot(microseconds):
    return time.time() - time.monotonic() + int(microseconds) / 1e6


def _written(path):
    try:
        return Path(path).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _result(name, result, comment, changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
