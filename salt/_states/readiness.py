"""Waiting for a service, with a bound and without ever reporting a change."""

import time

FIRST_PAUSE = 0.1  # seconds; doubled up to LONGEST_PAUSE
LONGEST_PAUSE = 1.0


def wait(name, timeout=60, unit=None):
    """Ask `readiness.probe` for `name` until it says ready; fail after `timeout` seconds.

    The failure carries the probe's last finding and the last lines of the journal of `unit` (default: `name`).
    A foreign process on the service's port fails at once: waiting would not help. While it waits, other runs of
    states go on on this node.
    """
    deadline = time.monotonic() + timeout
    answer = __salt__["readiness.probe"](name)
    if __opts__["test"]:
        return _result(name, True if answer["ready"] else None, answer["detail"])
    if not answer["ready"]:
        __salt__["states.step_aside"]()
        try:
            return _wait(name, answer, deadline, timeout, unit)
        finally:
            __salt__["states.step_back"]()
    return _result(name, True, answer["detail"])


def _wait(name, answer, deadline, timeout, unit):
    pause = FIRST_PAUSE
    while not answer["ready"]:
        squatter = __salt__["readiness.squatter"](name, unit)
        if squatter:
            return _result(name, False, f"{squatter}, not {name}: stop that, or move it elsewhere")
        if time.monotonic() + pause > deadline:
            return _result(name, False, _failure(name, timeout, answer["detail"], unit or name))
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        answer = __salt__["readiness.probe"](name)
    return _result(name, True, answer["detail"])


def _failure(name, timeout, detail, unit):
    journal = __salt__["cmd.run_stdout"](
        ["journalctl", "--no-pager", "--output", "cat", "--lines", "15", "--unit", unit], python_shell=False
    )
    return f"{name} was not ready within {timeout} s: {detail}\nlast lines of `journalctl -u {unit}`:\n{journal}"


def _result(name, result, comment):
    return {"name": name, "result": result, "comment": comment, "changes": {}}
