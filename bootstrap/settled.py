"""Is the whole cluster already as its files say? One dry run of all states, on all nodes at once.

A run on a cluster that needs nothing would otherwise start one job per role and node; the dry run starts one per
node. It is believed only when every state of every node holds: one that would change, fails, waits for a restart
or does not answer means that all roles are applied for real.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bootstrap import salt_returns

if TYPE_CHECKING:
    from bootstrap.plan import Plan
    from bootstrap.salt_api import SaltApi

_SECONDS = 120.0


def settled(plan: Plan, salt: SaltApi) -> bool:
    """True when nothing on any node would change. Raises SaltError only when the API itself is not there."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for node, pillar in plan.node_pillar.items():
        groups[tuple(pillar["components"])].append(node)

    def holds(components: tuple[str, ...], nodes: list[str]) -> bool:
        answers = salt.ask(nodes, "state.apply", ",".join(components), "test=True", timeout=_SECONDS)
        return len(answers.values) == len(nodes) and all(map(salt_returns.holds, answers.values.values()))

    with ThreadPoolExecutor(max_workers=len(groups), thread_name_prefix="dry-run") as pool:
        return all(pool.map(holds, groups.keys(), groups.values()))
