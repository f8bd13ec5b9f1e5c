"""Is the whole cluster already as its files say? A seal that still holds says so; else a dry run of all states.

A run on a cluster that needs nothing would otherwise start one job per role and node; the dry run starts one per
node, and none where the node is sealed. A seal (salt/_modules/seal.py) says that nothing has changed of all that was
looked at by a dry run that found every state to hold. A dry run is believed only when every state of every node
holds: one that would change, fails, waits for a restart or does not answer means that all roles are applied for real.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bootstrap import paths, salt_files, salt_returns

if TYPE_CHECKING:
    from bootstrap.salt_api import SaltApi

_SECONDS = 120.0
_NODES_PER_JOB = 200  # more minions than this in one job crowd the master's workers


@dataclass(frozen=True, slots=True)
class Found:
    """Nodes that are not sealed. `moving`: what would change there, a line each; `unsealed`: nothing would, and why."""

    moving: dict[str, list[str]] = field(default_factory=dict)
    unsealed: dict[str, str] = field(default_factory=dict)


def settled(unsealed: Sequence[str], salt: SaltApi, token: str) -> bool:
    """True when nothing on any node would change. Raises SaltError only when the API itself is not there.

    `unsealed`: the nodes whose seal does not hold, or that did not say. `token`: stands for all that the master serves
    (`salt_files.files_hash`), as phase `salt` has just compared it.
    """
    return not any(found.moving for found in _look(unsealed, salt, token))


def seal(nodes: Sequence[str], salt: SaltApi, token: str) -> Found:
    """A dry run on these nodes, which seals those where every state holds."""
    all_found = Found()
    for found in _look(nodes, salt, token):
        all_found.moving.update(found.moving)
        all_found.unsealed.update(found.unsealed)
    return all_found


def _look(nodes: Sequence[str], salt: SaltApi, token: str) -> Iterator[Found]:
    """Portion by portion."""
    sums = salt_files.state_sums(paths.SALT)
    for start in range(0, len(nodes), _NODES_PER_JOB):
        some = list(nodes[start : start + _NODES_PER_JOB])
        answers = salt.ask(some, "dry_run.states", sums, token, timeout=_SECONDS).values
        yield Found(
            {node: lines for node in some if (lines := salt_returns.not_holding(answers.get(node)))},
            {node: why for node in some if (why := salt_returns.unsealed(answers.get(node)))},
        )
