"""Writes to ZooKeeper that only the leader can make, in order, in as few transactions as possible.

Each transaction checks the leader's node in the election: once that is gone nothing of ours is written. A broken
connection leaves open whether a transaction was done; it is made again from what is there then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from kazoo import exceptions  # type: ignore[import-untyped]

from services.scheduler.storage.connection import BROKEN, Connection, Operation

MAX_OPERATIONS = 1_000
MAX_BYTES = 700_000  # of one transaction; a server takes a little under 1 MiB
ATTEMPTS = 5
Write = tuple[str, bytes | None]  # path and data; None: delete


class FencedError(Exception):
    """We lead no longer: nothing was written."""


class StorageError(Exception):
    """ZooKeeper refused, or what is stored is not what we can read."""


class TooLargeError(StorageError):
    """A definition that no node can hold. Nothing was written."""


class Writer:
    """`fence` gives the path of our node in the election, None when we do not lead."""

    def __init__(self, connection: Connection, fence: Callable[[], str | None]) -> None:
        self._connection = connection
        self._fence = fence
        self._order = asyncio.Lock()
        self._known: set[str] = set()  # nodes that are there

    def know(self, paths: Iterable[str]) -> None:
        """Nodes that were seen while loading."""
        self._known.update(paths)

    def knows(self, path: str) -> bool:
        """Is the node there, as far as we have seen or written?"""
        return path in self._known

    async def write(self, writes: list[Write]) -> None:
        """Put and delete nodes, in this order; all or none as long as they fit into one transaction.

        Raises FencedError, SessionLostError, StorageError.
        """
        async with self._order:
            batch: list[Write] = []
            size = 0
            for path, data in writes:
                needed = len(path) + len(data or b"") + 64
                if batch and (size + needed > MAX_BYTES or len(batch) >= MAX_OPERATIONS):
                    await self._commit(batch)
                    batch, size = [], 0
                batch.append((path, data))
                size += needed
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[Write]) -> None:
        problem = ""
        for _ in range(ATTEMPTS):
            fence = self._fence()
            if fence is None:
                raise FencedError("this scheduler does not lead")
            try:
                results = await self._connection.transact([("check", fence, b""), *self._operations(batch)])
            except BROKEN as error:
                problem = f"the connection breaks again and again: {error or type(error).__name__}"
                await self._look(batch)
                continue
            if not any(isinstance(result, Exception) for result in results):
                self._learn(batch)
                return
            if isinstance(results[0], exceptions.NoNodeError | exceptions.BadVersionError):
                raise FencedError("this scheduler leads no longer")
            problem = _explain(batch, results[1:])
            await self._look(batch)
        raise StorageError(problem)

    def _operations(self, batch: list[Write]) -> list[Operation]:
        there = {path: path in self._known for path, _ in batch}
        operations: list[Operation] = []
        for path, data in batch:
            if data is not None:
                operations.append(("set" if there[path] else "create", path, data))
                there[path] = True
            elif there[path]:
                operations.append(("delete", path, b""))
                there[path] = False
        return operations

    def _learn(self, batch: list[Write]) -> None:
        for path, data in batch:
            if data is None:
                self._known.discard(path)
            else:
                self._known.add(path)

    async def _look(self, batch: list[Write]) -> None:
        """What is really there of the nodes of a batch."""
        paths = list(dict.fromkeys(path for path, _ in batch))
        for path, there in zip(paths, await asyncio.gather(*map(self._connection.exists, paths)), strict=True):
            if there:
                self._known.add(path)
            else:
                self._known.discard(path)


def _explain(batch: list[Write], results: list[object]) -> str:
    """The write that failed; those around it are only rolled back."""
    rolled_back = exceptions.RolledBackError | exceptions.RuntimeInconsistency
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, rolled_back):
            return f"ZooKeeper refused a transaction of {len(batch)} writes: {type(result).__name__}"
    return f"ZooKeeper refused a transaction of {len(batch)} writes"
