"""Who leads: a latch in ZooKeeper. Each scheduler has a node that ends with its session; the lowest leads.

The node's data is the scheduler's host:port. The leader's node is also the fence of its writes: as long as it
is there, nobody else can have been elected.
"""

from __future__ import annotations

import asyncio
import logging
import uuid

from services.scheduler.storage.connection import BROKEN, Connection, SessionLostError

log = logging.getLogger(__name__)


class Election:
    """`path`: the folder of the nodes, e.g. /marathon/leader."""

    def __init__(self, connection: Connection, path: str, address: str) -> None:
        self._connection = connection
        self._path = path
        self._address = address
        self._token = uuid.uuid4().hex
        self._name: str | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._abdicating = False
        self.leader: str | None = None  # host:port of who leads, as last seen
        self.elected = asyncio.Event()
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def is_leader(self) -> bool:
        """We were elected and have not lost it."""
        return self.elected.is_set() and not self.lost.done() and not self._abdicating

    @property
    def node(self) -> str | None:
        """The path of our node."""
        return f"{self._path}/{self._name}" if self._name else None

    @property
    def fence(self) -> str | None:
        """The path of our node while we lead, as far as we know: what writes are checked against."""
        return self.node if self.is_leader else None

    async def start(self) -> None:
        """Stand for election; `elected` and `lost` tell the rest."""
        await self._connection.ensure(self._path)
        self._connection.on_reconnect.append(self._changed.set)
        await self._stand()
        self._task = asyncio.create_task(self._watch(), name="election")

    async def abdicate(self) -> None:
        """Give the leadership up, or the wait for it, at once. Nothing of ours is written after this."""
        self._abdicating = True
        if self._task:
            self._task.cancel()
        if self.node:
            await self._connection.delete(self.node)
        self._lose("abdicated")

    async def _stand(self) -> None:
        """Make our node; if the connection broke meanwhile, look whether it is there before making another."""
        prefix = f"{self._path}/member_{self._token}_"
        while self._name is None:
            try:
                node = await self._connection.create_ephemeral(prefix, self._address.encode())
                self._name = node.rpartition("/")[2]
            except BROKEN:
                own = [name for name in await self._connection.children(self._path) if self._token in name]
                self._name = own[0] if own else None

    async def _watch(self) -> None:
        try:
            while not self.lost.done():
                self._changed.clear()
                await self._look()
                await self._changed.wait()
        except SessionLostError as error:
            self._lose(str(error))

    async def _look(self) -> None:
        members = await self._connection.children(self._path, self._changed.set)
        ranked = sorted((name for name in members if name.startswith("member_")), key=lambda name: name[-10:])
        if self._name not in ranked:
            self._lose("our node is gone from the election")
            return
        if ranked[0] == self._name:
            self.leader = self._address
            if not self.elected.is_set():
                log.info("elected: %s leads", self._address)
                self.elected.set()
            return
        data = await self._connection.get(f"{self._path}/{ranked[0]}")
        if data is None:  # gone between the two questions: the watch tells again
            return
        leader = data.decode()
        if leader != self.leader:
            log.info("%s leads; standing by", leader)
        self.leader = leader

    def _lose(self, reason: str) -> None:
        self.leader = None
        if not self.lost.done():
            self.lost.set_result(reason)
