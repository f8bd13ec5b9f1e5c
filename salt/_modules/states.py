"""State runs of this node, one after the other.

Salt's own queue lets two runs that arrive together wait for each other for ever: since 3008 each counts the other,
which waits too, as a run that it has to wait for (saltstack/salt#69825). A lock of the kernel has one holder, and
goes with it.
"""

import fcntl
import time
from pathlib import Path

LOCK = Path("/run/utopia-states.lock")
_LOOK_SECONDS = 0.2
_NOT_RENDERED, _FAILED = 1, 2  # what a job ends with, as with `state.apply`
_HELD = "utopia_states_lock"  # key of the open lock in the context of a run


def apply(mods, pillar=None, sums=None):
    """The states of these components (comma-separated), after every run of states that is going on.

    `pillar`: what this run alone finds beside the master's. `sums`: of all files the master serves (module served);
    without them Salt asks the master for each.

    CLI Example: salt '*' states.apply base,java
    """
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        while __salt__["state.running"]():  # one that was started by hand knows nothing of the lock
            time.sleep(_LOOK_SECONDS)
        __context__[_HELD] = lock  # Salt loads this module several times in a process: they share the context
        try:
            with __salt__["templates.kept"]():
                if sums is None:
                    return __salt__["state.apply"](mods, concurrent=True, **({"pillar": pillar} if pillar else {}))
                return _apply(mods.split(","), pillar, sums)
        finally:
            del __context__[_HELD]


def _apply(components, pillar, sums):
    """As `state.apply` does it; what a run said is not kept in the minion's cache, where it would hold secrets."""
    with __salt__["served.highstate"](sums, test=False, pillar=pillar) as highstate:
        high, errors = highstate.render_highstate({"base": components})
        errors = highstate.opts["pillar"].get("_errors") or errors
        if errors:
            __context__["retcode"] = _NOT_RENDERED
            return [str(line) for line in errors]
        found = highstate.state.call_high(high)
    if not isinstance(found, dict) or any(state["result"] is False for state in found.values()):
        __context__["retcode"] = _FAILED
    return found


def step_aside():
    """This run does nothing but wait from now on: others may go on. `step_back` must follow."""
    if _HELD in __context__:
        fcntl.flock(__context__[_HELD], fcntl.LOCK_UN)


def step_back():
    """This run goes on, when others that have begun have ended or step aside."""
    if _HELD in __context__:
        fcntl.flock(__context__[_HELD], fcntl.LOCK_EX)


def running():
    """Lines about the runs of states that are going on; [] when there is none.

    CLI Example: salt '*' states.running
    """
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return ["a run of states is going on on this node (states.apply)"]
    return __salt__["state.running"]()
