"""utopia-scheduler: `python -m services.scheduler --config FILE`.

Lets itself crash, as Marathon does: whatever cannot be gone on with ends the process with a status that says what
it was, and systemd starts a new one, which stands by or leads.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from services.scheduler import clock, core, garbage
from services.scheduler.api.context import Context
from services.scheduler.api.server import Server
from services.scheduler.mesos.client import FrameworkGoneError
from services.scheduler.metrics import Metrics
from services.scheduler.settings import Settings, SettingsError, load
from services.scheduler.storage.connection import AccessError, ConnectError, Connection, SessionLostError
from services.scheduler.storage.election import Election
from services.scheduler.storage.writer import FencedError
from services.scheduler.storage.zookeeper import FrameworkIdMissingError, Store

log = logging.getLogger("services.scheduler")

FAREWELL = 10.0  # s for an orderly end


class Status(IntEnum):
    """What the process ends with: Marathon's numbers."""

    OK = 0
    ZOOKEEPER_NOT_REACHED = 100
    ZOOKEEPER_LOST = 101
    LEADERSHIP_LOST = 103
    SCHEDULER_ERROR = 106
    FRAMEWORK_ID_MISSING = 108
    FRAMEWORK_REMOVED = 110
    CANNOT_BIND = 111
    BAD_SETTING = 112


class End(Exception):  # noqa: N818 - not always an error
    """The process ends."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Process:
    """One scheduler: stands by, leads when it is elected, ends when it is not the leader any more."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        begun = clock.monotonic()
        self._metrics.gauge("marathon.uptime.gauge.seconds", lambda: clock.monotonic() - begun)
        self._connection, self._election, self._store = _storage(settings)
        self._terminated = asyncio.Event()
        self._abdicated = asyncio.Event()
        self._context = Context(
            settings,
            self._metrics,
            self._election,
            logins=settings.http_logins(),
            abdicate=self._abdicated.set,
        )
        self._server = Server(self._context)
        self._core: core.Core | None = None

    async def run(self) -> None:
        """Until the end, which is raised."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._terminated.set)
        try:
            await self._unless_it_ends(self._begin())
            await self._unless_it_ends(self._election.elected.wait())
            self._core = await self._unless_it_ends(core.start(self._settings, self._store, self._metrics))
            garbage.settle()
            self._context.lead(self._core)
            await self._unless_it_ends(asyncio.shield(self._core.ended))
            raise End(Status.SCHEDULER_ERROR, "the scheduler stopped by itself")
        finally:
            await self._farewell()

    async def _begin(self) -> None:
        await self._connection.start()
        try:
            await self._server.start()
        except OSError as error:
            address = f"{self._settings.http_address}:{self._settings.http_port}"
            raise End(Status.CANNOT_BIND, f"cannot listen at {address}: {error.strerror or error}") from error
        await self._election.start()
        log.info("listening at port %d as %s", self._settings.http_port, self._settings.own_address)

    async def _unless_it_ends(self, work: Any) -> Any:
        """The result of the work. Raises End when something else ends the process before."""
        task = asyncio.ensure_future(work)
        ends: dict[asyncio.Future[Any], End] = {
            asyncio.ensure_future(self._terminated.wait()): End(Status.OK, "asked to end"),
            asyncio.ensure_future(self._abdicated.wait()): End(Status.LEADERSHIP_LOST, "leadership abdicated"),
        }
        lost = {self._connection.lost, self._election.lost}
        await asyncio.wait({task, *ends, *lost}, return_when=asyncio.FIRST_COMPLETED)
        found = next((end for future, end in ends.items() if future.done()), None)
        for future in ends:
            future.cancel()
        try:
            if found is not None:
                raise found
            if self._connection.lost.done():
                raise End(Status.ZOOKEEPER_LOST, f"ZooKeeper lost: {self._connection.lost.result()}")
            if self._election.lost.done():
                raise End(Status.LEADERSHIP_LOST, f"leadership lost: {self._election.lost.result()}")
            return task.result()
        finally:
            task.cancel()

    async def _farewell(self) -> None:
        """Tasks go on; the next leader finds everything as it is."""
        try:
            async with asyncio.timeout(FAREWELL):
                self._context.retire()
                if self._core is not None:
                    await self._core.stop()
                if self._connection.connected and not self._connection.lost.done():
                    await self._election.abdicate()
                await self._server.stop()
                await self._connection.stop()
        except Exception as error:
            log.warning("the end was not orderly: %s", error or type(error).__name__)


def _storage(settings: Settings) -> tuple[Connection, Election, Store]:
    """The three, not yet connected."""
    zk = settings.zk_address
    connection = Connection(
        zk.hosts,
        login=settings.zk_login(),
        session_timeout=settings.zk_session_timeout / 1000,
        connect_timeout=settings.zk_connection_timeout / 1000,
    )
    election = Election(connection, f"{zk.path}/leader", settings.own_address)
    store = Store(
        connection,
        zk.path,
        fence=lambda: election.fence,
        max_versions=settings.zk_max_versions,
        max_node_size=settings.zk_max_node_size,
    )
    return connection, election, store


_MEANINGS: tuple[tuple[type[BaseException], Status, str], ...] = (
    (SettingsError, Status.BAD_SETTING, "{}"),
    (ConnectError, Status.ZOOKEEPER_NOT_REACHED, "{}"),
    (AccessError, Status.ZOOKEEPER_NOT_REACHED, "ZooKeeper refuses us: {}"),
    (SessionLostError, Status.ZOOKEEPER_LOST, "ZooKeeper lost: {}"),
    (FencedError, Status.LEADERSHIP_LOST, "leadership lost: {}"),
    (FrameworkIdMissingError, Status.FRAMEWORK_ID_MISSING, "{}"),
    (FrameworkGoneError, Status.FRAMEWORK_REMOVED, "Mesos has removed the framework: {}"),
)


def why(error: BaseException) -> End:
    """The end that an error means."""
    if isinstance(error, End):
        return error
    if isinstance(error, FrameworkGoneError) and "failed over" in str(error).lower():
        return End(Status.LEADERSHIP_LOST, f"leadership lost: another scheduler has subscribed at Mesos ({error})")
    for kind, status, text in _MEANINGS:
        if isinstance(error, kind):
            return End(status, text.format(error))
    return End(Status.SCHEDULER_ERROR, f"{type(error).__name__}: {error}")


async def serve(settings: Settings) -> None:
    """One process, whole. Raises what ends it."""
    await Process(settings).run()


async def forget_framework(settings: Settings) -> None:
    """After status 108 or 110: what was launched is forgotten, so that the next leader begins as a new framework."""
    connection, election, store = _storage(settings)
    await connection.start()
    try:
        await election.start()
        try:
            async with asyncio.timeout(2 * connection.session_timeout):
                await election.elected.wait()
        except TimeoutError:
            words = f"{election.leader} leads: stop all schedulers first"
            raise End(Status.LEADERSHIP_LOST, words) from None
        log.info("forgotten: the framework id and %d instances", await store.forget_framework())
    finally:
        await connection.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """The status the process ends with."""
    parser = argparse.ArgumentParser(prog="utopia-scheduler", description="Marathon's REST API on Apache Mesos")
    parser.add_argument("--config", type=Path, default=Path("/etc/utopia-scheduler/config.json"), metavar="FILE")
    parser.add_argument(
        "--forget-framework",
        action="store_true",
        help="forget the framework id and all instances, and end: when Mesos has removed the framework for good",
    )
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("kazoo").setLevel(logging.ERROR)  # what matters of it, storage.connection says
    try:
        given = parser.parse_args(arguments)
        settings = load(given.config)
        level = {"warn": "WARNING"}.get(settings.logging_level, settings.logging_level.upper())
        logging.getLogger().setLevel(level)
        asyncio.run(forget_framework(settings) if given.forget_framework else serve(settings))
    except Exception as error:
        end = why(error)
        if end.status is Status.SCHEDULER_ERROR:
            log.critical("ends with status %d: %s", end.status, end, exc_info=error)
        elif end.status is not Status.OK:
            log.critical("ends with status %d: %s", end.status, end)
        else:
            log.info("ends: %s", end)
        return int(end.status)
    return int(Status.OK)


if __name__ == "__main__":
    sys.exit(main())
