"""One session with ZooKeeper, from asyncio: kazoo's threads stay behind this module.

A connection that breaks is taken up again within the session's time; until then operations wait. When the
session is over `lost` has the reason, and the process has to end: others may lead by now.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

from kazoo import exceptions  # type: ignore[import-untyped]
from kazoo.client import KazooClient  # type: ignore[import-untyped]
from kazoo.handlers.threading import KazooTimeoutError  # type: ignore[import-untyped]
from kazoo.protocol.states import KazooState  # type: ignore[import-untyped]
from kazoo.retry import KazooRetry  # type: ignore[import-untyped]
from kazoo.security import CREATOR_ALL_ACL  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

# What an operation may end with when the connection breaks: it may have been done, or not.
BROKEN = (exceptions.ConnectionLoss, exceptions.OperationTimeoutError, exceptions.SessionMovedError)
Operation = tuple[Literal["create", "set", "delete", "check"], str, bytes]


class ConnectError(Exception):
    """ZooKeeper cannot be reached, or does not let us in."""


class AccessError(Exception):
    """The nodes are there, and not for our login."""


class SessionLostError(Exception):
    """The session with ZooKeeper is over."""


class Connection:
    """`hosts`: host:port with commas between; times in seconds; `login`: the digest whose creator may do all."""

    def __init__(
        self,
        hosts: str,
        *,
        login: tuple[str, str] | None = None,
        session_timeout: float = 10.0,
        connect_timeout: float = 10.0,
    ) -> None:
        self.hosts = hosts
        self.session_timeout = session_timeout
        self._connect_timeout = connect_timeout
        retry = KazooRetry(max_tries=-1, delay=0.1, backoff=2, max_jitter=0.1, max_delay=1.0)
        self._client: Any = KazooClient(
            hosts=hosts,
            timeout=session_timeout,
            default_acl=CREATOR_ALL_ACL if login else None,
            auth_data=[("digest", ":".join(login))] if login else None,
            connection_retry=retry,
            logger=logging.getLogger("kazoo"),
        )
        self._loop = asyncio.get_running_loop()
        self._connected = asyncio.Event()
        self._patience: asyncio.TimerHandle | None = None
        self._closing = False
        self.lost: asyncio.Future[str] = self._loop.create_future()  # why the session is over
        self.on_reconnect: list[Callable[[], None]] = []  # called in the loop; watches are gone by then

    async def start(self) -> None:
        """Connect. Raises ConnectError."""
        self._client.add_listener(self._state_changed)
        try:
            await self._loop.run_in_executor(None, lambda: self._client.start(self._connect_timeout))
        except (KazooTimeoutError, exceptions.KazooException, OSError) as error:
            await self.stop()
            raise ConnectError(f"ZooKeeper at {self.hosts}: {error}") from error
        self._connected.set()

    async def stop(self) -> None:
        """End the session: what is ephemeral of ours goes at once."""
        self._closing = True
        if self._patience:
            self._patience.cancel()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._client.stop)
        await loop.run_in_executor(None, self._client.close)

    @property
    def connected(self) -> bool:
        """There is a connection at this moment."""
        return self._connected.is_set()

    def _state_changed(self, state: str) -> None:
        """In kazoo's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody cares any more
            self._loop.call_soon_threadsafe(self._follow, state)

    def _follow(self, state: str) -> None:
        if self._closing:
            return
        if state == KazooState.CONNECTED:
            if self._patience:
                self._patience.cancel()
                self._patience = None
                log.info("ZooKeeper at %s is back", self.hosts)
            self._connected.set()
            for callback in self.on_reconnect:
                callback()
        elif state == KazooState.SUSPENDED:
            self._connected.clear()
            log.warning("ZooKeeper at %s went away; waiting %g s at most", self.hosts, self.session_timeout)
            if self._patience is None:
                # The server counts from when it last heard of us, so our own count is never the shorter one by
                # much; writes are fenced for the time between.
                self._patience = self._loop.call_later(self.session_timeout, self._lose, "ZooKeeper stayed away")
        else:
            self._connected.clear()
            self._lose("the session has expired")

    def _lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    async def _wait_connected(self) -> None:
        """Until there is a connection; raises SessionLostError if there will be none."""
        if self.lost.done():
            raise SessionLostError(self.lost.result())
        if self._connected.is_set():
            return
        waiting: asyncio.Future[Any] = asyncio.ensure_future(self._connected.wait())
        either: set[asyncio.Future[Any]] = {waiting, self.lost}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.lost.done():
            raise SessionLostError(self.lost.result())

    async def _result(self, asked: Any) -> Any:
        """The value of kazoo's IAsyncResult; raises what it raises, SessionLostError instead of its relatives."""
        loop, future = self._loop, self._loop.create_future()

        def finish() -> None:
            if not future.done():
                if asked.exception is None:
                    future.set_result(asked.value)
                else:
                    future.set_exception(asked.exception)

        def done(_: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(finish)

        asked.rawlink(done)
        try:
            return await future
        except (exceptions.SessionExpiredError, exceptions.ConnectionClosedError) as error:
            raise SessionLostError(str(error) or "the session has expired") from error
        except (exceptions.NoAuthError, exceptions.AuthFailedError) as error:
            raise AccessError("the login has no right to the nodes") from error

    async def _repeat(self, ask: Callable[[], Any]) -> Any:
        """What may be done twice without harm is asked again after a broken connection."""
        while True:
            await self._wait_connected()
            try:
                return await self._result(ask())
            except BROKEN:
                self._connected.clear()
                await self._settle()

    async def _settle(self) -> None:
        """kazoo may tell of the broken operation before it tells of the state."""
        await asyncio.sleep(0.05)
        if self._client.connected:
            self._connected.set()

    async def get(self, path: str) -> bytes | None:
        """The data of a node; None: there is no such node."""
        try:
            data, _ = await self._repeat(lambda: self._client.get_async(path))
        except exceptions.NoNodeError:
            return None
        return bytes(data)

    async def exists(self, path: str) -> bool:
        """Is there such a node?"""
        return await self._repeat(lambda: self._client.exists_async(path)) is not None

    async def children(self, path: str, watch: Callable[[], None] | None = None) -> list[str]:
        """Names below a node; [] without it. `watch` is called in the loop at the next change of the node's
        children, or when the connection breaks."""
        loop = self._loop

        def changed(_: Any) -> None:
            if watch is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(watch)

        watcher = None if watch is None else changed
        try:
            return list(await self._repeat(lambda: self._client.get_children_async(path, watcher)))
        except exceptions.NoNodeError:
            return []

    async def ensure(self, path: str) -> None:
        """Make a node and those above it."""
        await self._repeat(lambda: self._client.ensure_path_async(path))

    async def create_ephemeral(self, prefix: str, data: bytes) -> str:
        """A node that ends with the session; its name gets a growing number. Raises kazoo's errors, also BROKEN:
        the caller looks whether it was made."""
        await self._wait_connected()
        made = self._client.create_async(prefix, data, ephemeral=True, sequence=True)
        return str(await self._result(made))

    async def delete(self, path: str) -> None:
        """Remove a node without children, if it is there."""
        with contextlib.suppress(exceptions.NoNodeError):
            await self._repeat(lambda: self._client.delete_async(path))

    async def transact(self, operations: Sequence[Operation]) -> list[Any]:
        """All or none, in one transaction: what each came to (kazoo's exceptions among it). Raises BROKEN errors:
        then it may be done, or not."""
        await self._wait_connected()
        transaction = self._client.transaction()
        for kind, path, data in operations:
            if kind == "create":
                transaction.create(path, data)
            elif kind == "set":
                transaction.set_data(path, data)
            elif kind == "delete":
                transaction.delete(path)
            else:
                transaction.check(path, 0)
        try:
            return list(await self._result(transaction.commit_async()))
        except BROKEN:
            self._connected.clear()
            await self._settle()
            raise
