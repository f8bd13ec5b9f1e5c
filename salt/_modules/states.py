"""State runs of this node, one after the other.

Salt's own queue lets two runs that arrive together wait for each other for ever: since 3008 each counts the other,
which waits too, as a run that it has to wait for (saltstack/salt#69825). A lock of the kernel has one holder, and
goes with it.
"""

import fcntl
import time
from contextlib import contextmanager
from pathlib import Path

LOCK = Path("/run/utopia-states.lock")
_LOOK_SECONDS = 0.2


def apply(mods, pillar=None):
    """`state.apply` of these components (comma-separated), after every run of states that is going on.

    `pillar`: what this run alone finds beside the master's.

    CLI Example: salt '*' states.apply base,java
    """
    with _turn():
        while __salt__["state.running"]():  # one that was started by hand knows nothing of the lock
            time.sleep(_LOOK_SECONDS)
        return __salt__["state.apply"](mods, concurrent=True, **({"pillar": pillar} if pillar else {}))


def running():
    """Lines about the runs of states that are going on; [] when there is none.

    CLI Example: salt '*' states.running
    """
    with LOCK.open("a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return ["a run of states is going on on this node (states.apply)"]
    return __salt__["state.running"]()


@contextmanager
def _turn():
    with LOCK.open("a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
