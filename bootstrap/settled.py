"""Is the whole cluster already as its files say? One dry run of all states, on all nodes at once.

A run on a cluster that needs nothing would otherwise start one job per role and node; the dry run starts one per
node. It is believed only when every state of every node holds: one that would change, fails, waits for a restart
or does not answer means that all roles are applied for real.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootstrap import paths, salt_files, salt_returns

if TYPE_CHECKING:
    from bootstrap.plan import Plan
    from bootstrap.salt_api import SaltApi

_SECONDS = 120.0
_NODES_PER_JOB = 200  # more minions than this in one job crowd the master's workers


def settled(plan: Plan, salt: SaltApi) -> bool:
    """True when nothing on any node would change. Raises SaltError only when the API itself is not there.

    The nodes are told what the master serves: phase `salt` has just compared that with our files.
    """
    sums = salt_files.state_sums(paths.SALT)
    nodes = list(plan.node_pillar)
    for start in range(0, len(nodes), _NODES_PER_JOB):
        some = nodes[start : start + _NODES_PER_JOB]
        answers = salt.ask(some, "dry_run.states", sums, timeout=_SECONDS)
        if answers.values.keys() != set(some) or not all(map(salt_returns.holds, answers.values.values())):
            return False
    return True
