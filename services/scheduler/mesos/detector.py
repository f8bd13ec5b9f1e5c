"""Where the leading Mesos master is: read from ZooKeeper, or given as a list of masters."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Sequence
from typing import Protocol

import orjson
from kazoo.client import KazooClient  # type: ignore[import-untyped]
from kazoo.exceptions import KazooException  # type: ignore[import-untyped]
from kazoo.handlers.threading import KazooTimeoutError  # type: ignore[import-untyped]

from services.scheduler.instances.pace import set_within

log = logging.getLogger(__name__)

_PREFIX = "json.info_"
_TIMEOUT = 10.0  # seconds for one read


class NoLeaderError(Exception):
    """No master leads, or it cannot be found out now; another attempt may succeed."""


class LeaderDetector(Protocol):
    """What the client needs to know about masters."""

    async def leader(self) -> str:
        """`host:port` of the leading master. Raises NoLeaderError."""

    async def changed(self, master: str) -> None:
        """Returns once another master than `master` leads."""

    async def close(self) -> None:
        """Ends connections."""


class ListDetector:
    """Masters given one by one, without ZooKeeper: each is tried in turn, a standby names the leader."""

    def __init__(self, masters: Sequence[str]) -> None:
        if not masters:
            raise ValueError("no master is given")
        self._masters = itertools.cycle([master.split("://")[-1].rstrip("/") for master in masters])

    async def leader(self) -> str:
        """The next one of the list."""
        return next(self._masters)

    async def changed(self, master: str) -> None:  # noqa: ARG002 - only the connection can tell
        """Never: without ZooKeeper only the connection tells that a master is gone."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is open."""


class ZooKeeperDetector:
    """Reads `<path>/json.info_<sequence>`: the lowest sequence leads.

    `login` is user and password of the digest scheme; the masters' nodes are readable without one unless the
    operator closed the tree.
    """

    def __init__(self, hosts: str, path: str, login: tuple[str, str] | None = None) -> None:
        auth = [("digest", f"{login[0]}:{login[1]}")] if login else None
        self._client = KazooClient(hosts, read_only=True, auth_data=auth)
        self._path = path or "/"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._live = threading.Event()  # connected; set by kazoo's thread
        self._seen = asyncio.Event()  # the list of masters may have changed

    async def leader(self) -> str:
        """`host:port` of the master with the lowest sequence. Raises NoLeaderError."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._live = self._client.start_async()
        try:
            return await asyncio.to_thread(self._read)
        except KazooTimeoutError as error:
            raise NoLeaderError(f"ZooKeeper does not answer within {_TIMEOUT:g} s") from error
        except KazooException as error:
            raise NoLeaderError(f"{self._path} cannot be read: {type(error).__name__} {error}") from error

    async def changed(self, master: str) -> None:
        """Returns once another master leads; while nobody leads the old one may still come back."""
        while True:
            self._seen.clear()
            try:
                if await self.leader() != master:
                    return
            except NoLeaderError as error:
                log.debug("while watching for another master than %s: %s", master, error)
            # a watch lost with a session is set again by the next read
            await set_within(self._seen, 30)

    async def close(self) -> None:
        """Ends the ZooKeeper session."""
        await asyncio.to_thread(self._client.stop)
        await asyncio.to_thread(self._client.close)

    def _read(self) -> str:
        if not self._live.wait(_TIMEOUT):
            raise NoLeaderError(f"ZooKeeper does not answer within {_TIMEOUT:g} s")
        children = self._client.get_children_async(self._path, watch=self._notice).get(timeout=_TIMEOUT)
        node = lowest(children)
        if node is None:
            raise NoLeaderError(f"no master is registered in {self._path}")
        data, _ = self._client.get_async(f"{self._path.rstrip('/')}/{node}").get(timeout=_TIMEOUT)
        return address(data)

    def _notice(self, _event: object) -> None:  # in a thread of kazoo's
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._seen.set)


def lowest(children: Sequence[str]) -> str | None:
    """The leader's node among the children; numbers are compared as numbers, other nodes ignored."""
    masters = [child for child in children if child.startswith(_PREFIX) and child[len(_PREFIX) :].isdigit()]
    return min(masters, key=lambda child: int(child[len(_PREFIX) :]), default=None)


def address(data: bytes) -> str:
    """`host:port` out of a MasterInfo document. Raises NoLeaderError if it has none."""
    try:
        info = orjson.loads(data)
        where = info.get("address") or {}
        host = where.get("ip") or where.get("hostname") or info["hostname"]
        return f"{host}:{where.get('port') or info['port']}"
    except (ValueError, KeyError, AttributeError) as error:
        raise NoLeaderError(f"the leading master's entry has no address: {data[:200]!r}") from error
