"""Is the whole cluster already as its files say? A seal that still holds says so; else a dry run of all states.

A run on a cluster that needs nothing would otherwise start one job per role and node; the dry run starts one per
node, and none where the node is sealed. A seal (salt/_modules/seal.py) says that nothing has changed of all that was
looked at by a dry run that found every state to hold. A dry run is believed only when every state of every node
holds: one that would change, fails, waits for a restart or does not answer means that all roles are applied for real.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bootstrap import paths, salt_files, salt_returns

if TYPE_CHECKING:
    from bootstrap.salt_api import SaltApi

_SECONDS = 120.0
_NODES_PER_JOB = 200  # more minions than this in one job crowd the master's workers


def settled(unsealed: Sequence[str], salt: SaltApi, token: str) -> bool:
    """True when nothing on any node would change. Raises SaltError only when the API itself is not there.

    `unsealed`: the nodes whose seal does not hold, or that did not say. `token`: stands for all that the master serves
    (`salt_files.files_hash`), as phase `salt` has just compared it.
    """
    return not any(_look(unsealed, salt, token))


def seal(nodes: Sequence[str], salt: SaltApi, token: str) -> dict[str, list[str]]:
    """A dry run on these nodes, which seals those where every state holds: node -> what would change on the others."""
    return {node: states for found in _look(nodes, salt, token) for node, states in found.items()}


def _look(nodes: Sequence[str], salt: SaltApi, token: str) -> Iterator[dict[str, list[str]]]:
    """Portion by portion: node -> what does not hold there, for nodes where something does not."""
    sums = salt_files.state_sums(paths.SALT)
    for start in range(0, len(nodes), _NODES_PER_JOB):
        some = list(nodes[start : start + _NODES_PER_JOB])
        answers = salt.ask(some, "dry_run.states", sums, token, timeout=_SECONDS).values
        yield {node: lines for node in some if (lines := salt_returns.not_holding(answers.get(node)))}
