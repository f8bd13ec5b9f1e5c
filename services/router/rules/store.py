"""Bamboo's rules in ZooKeeper: read, watched, written. What was read last stays when ZooKeeper is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from kazoo.client import KazooClient  # type: ignore[import-untyped]
from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError  # type: ignore[import-untyped]
from kazoo.handlers.threading import KazooTimeoutError  # type: ignore[import-untyped]
from kazoo.protocol.states import KazooState  # type: ignore[import-untyped]
from kazoo.retry import KazooRetry  # type: ignore[import-untyped]
from kazoo.security import make_digest_acl  # type: ignore[import-untyped]

from services.router.rules.codec import Rule, app_id, decode, encode, node_name

log = logging.getLogger(__name__)

CALL_SECONDS = 5.0
RETRY_SECONDS = 2.0
SESSION_SECONDS = 10.0
STOP_SECONDS = 1.0


class StoreError(Exception):
    """The message that Bamboo's API answers."""


class RuleStore:
    """`changed` is called in the loop whenever the rules are others. Without hosts there are no rules."""

    def __init__(
        self,
        hosts: str,
        path: str,
        *,
        login: str | None = None,
        known: Mapping[str, Rule] | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.rules: dict[str, Rule] = dict(known or {})
        self.read_at: float | None = None  # Unix seconds; None: not read since the start
        self.last_error: str | None = None
        self._path = path.rstrip("/") or "/"
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._children: dict[str, Rule] = {}
        self._stale: set[str] = set()
        self._reading = asyncio.Lock()
        self._client: Any = None
        if hosts:
            user, _, password = (login or "").partition(":")
            self._client = KazooClient(
                hosts=hosts,
                timeout=SESSION_SECONDS,
                connection_retry=KazooRetry(max_tries=-1, delay=0.2, max_delay=5),
                command_retry=KazooRetry(max_tries=0),
                auth_data=[("digest", login)] if login else None,
                default_acl=[make_digest_acl(user, password, all=True)] if login else None,
            )

    @property
    def connected(self) -> bool:
        """Whether there is a session now."""
        return self._client is not None and bool(self._client.connected)

    @property
    def enabled(self) -> bool:
        return self._client is not None

    async def run(self) -> None:
        """Follow the rules until cancelled."""
        if self._client is None:
            return
        self._client.add_listener(self._on_state)
        self._client.start_async()
        try:
            while True:
                if self._client.connected:
                    await self._try_refresh()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_SECONDS if self.last_error else None):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            # Its end waits for servers that may be away: a thread that nobody has to wait for.
            ending = threading.Thread(target=self._client.stop, daemon=True)
            ending.start()
            await asyncio.to_thread(ending.join, STOP_SECONDS)

    async def save(self, rule: Rule) -> None:
        """Create or replace, seen by `rules` on return. Raises StoreError."""
        await self._write(self._save, rule)

    async def delete(self, app: str) -> None:
        """Raises StoreError, also when there is no such rule."""
        await self._write(self._delete, app_id(app))

    async def _write(self, work: Callable[[Any], None], what: object) -> None:
        if self._client is None:
            raise StoreError("zk: no servers are configured")
        if not self._client.connected:
            raise StoreError("zk: could not connect to a server")
        try:
            await asyncio.to_thread(work, what)
        except NoNodeError as error:
            raise StoreError("zk: node does not exist") from error
        except (KazooException, KazooTimeoutError) as error:
            raise StoreError(f"zk: {error or type(error).__name__}") from error
        await self._try_refresh()

    async def _try_refresh(self) -> None:
        try:
            async with self._reading:
                changed = await asyncio.to_thread(self._read)
        except (KazooException, KazooTimeoutError) as error:
            self.last_error = f"zk: {error or type(error).__name__}"
            log.warning("rules: %s", self.last_error)
            return
        self.last_error = None
        self.read_at = time.time()
        rules = {rule.app: rule for _, rule in sorted(self._children.items())}
        if changed and rules != self.rules:
            self.rules = rules
            self._changed()

    # In threads of their own from here on: kazoo waits.

    def _read(self) -> bool:
        """Read the nodes that are new or changed; whether any was, or one is gone."""
        stale, self._stale = self._stale, set()
        try:
            names = self._get(self._client.get_children_async(self._path, watch=self._on_parent))
        except NoNodeError:
            self._get(self._client.ensure_path_async(self._path))
            names = self._get(self._client.get_children_async(self._path, watch=self._on_parent))
        wanted = [name for name in names if name in stale or name not in self._children]
        try:
            waiting = [(name, self._client.get_async(f"{self._join(name)}", watch=self._on_child)) for name in wanted]
            for name, result in waiting:
                try:
                    self._children[name] = decode(name, self._get(result)[0])
                except NoNodeError:
                    self._children.pop(name, None)
        except BaseException:
            self._stale |= stale
            raise
        gone = self._children.keys() - set(names)
        for name in gone:
            del self._children[name]
        return bool(wanted or gone or self.read_at is None)

    def _save(self, rule: Rule) -> None:
        node = self._join(node_name(rule.app))
        self._get(self._client.ensure_path_async(self._path))
        try:
            self._get(self._client.create_async(node, encode(rule)))
        except NodeExistsError:
            self._get(self._client.set_async(node, encode(rule)))
            self._get(self._client.set_async(self._path, b""))  # so that Bamboo's own instances notice
        self._stale.add(node_name(rule.app))

    def _delete(self, app: str) -> None:
        self._get(self._client.delete_async(self._join(node_name(app))))

    def _get(self, result: Any) -> Any:
        return result.get(timeout=CALL_SECONDS)

    def _join(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    # In kazoo's thread: only tell the loop.

    def _on_parent(self, _event: Any) -> None:
        self._tell()

    def _on_child(self, event: Any) -> None:
        self._tell(event.path.rsplit("/", 1)[1])

    def _on_state(self, state: str) -> bool:
        if state == KazooState.CONNECTED:
            self._tell(everything=True)
        return False

    def _tell(self, name: str | None = None, *, everything: bool = False) -> None:
        def note() -> None:
            self._stale |= set(self._children) if everything else {name} if name else set()
            self._wake.set()

        self._loop.call_soon_threadsafe(note)
