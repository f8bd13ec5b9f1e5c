"""The scheduler's side of the v1 API: one subscription kept alive, and the calls that belong to it."""

from __future__ import annotations

import asyncio
import base64
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from services.scheduler.instances.pace import Pace, set_within
from services.scheduler.mesos import events, recordio
from services.scheduler.mesos.detector import LeaderDetector, NoLeaderError

log = logging.getLogger(__name__)

Json = dict[str, Any]
_API = "/api/v1/scheduler"
_PIECE = 1024 * 1024  # bytes read from the stream at once
_REDIRECTS = 3


class MesosError(Exception):
    """A call that was not taken. `refused`: by a master's answer, so that it certainly has no effect."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class FrameworkGoneError(Exception):
    """Mesos will not have this framework id (again): torn down, past its failover timeout, or taken over."""


_TRY_AGAIN = (MesosError, NoLeaderError, aiohttp.ClientError, OSError, TimeoutError, recordio.RecordError)


class MesosClient:
    """Subscribes, follows the leading master, and sends calls. `on_event` gets each event and must be quick.

    `run()` goes on until `close()`; it raises FrameworkGoneError, and nothing else. Disconnections are told as an
    event of our own, {"type": "DISCONNECTED"}.
    """

    def __init__(
        self,
        detector: LeaderDetector,
        principal: str | None,
        secret_file: str | None,
        framework_info: Mapping[str, Any],
        on_event: Callable[[Json], None] | None = None,
        *,
        heartbeat_failures: int = 5,
        call_timeout: float = 30.0,
        connections: int = 16,
    ) -> None:
        self.on_event = on_event
        self.master: str | None = None  # host:port of the last subscription
        self._detector = detector
        self._principal = principal
        self._secret_file = secret_file
        self._info: Json = dict(framework_info)
        self._suppressed: set[str] = set()
        self._heartbeat_failures = heartbeat_failures
        self._call_timeout = call_timeout
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._headers: dict[str, str] = {}
        self._stream_id = ""
        self._subscribed = False
        self._closing = asyncio.Event()
        self._again = asyncio.Event()  # subscribe anew
        self._role_calls = asyncio.Lock()  # SUPPRESS and REVIVE arrive in the order they were made

    @property
    def connected(self) -> bool:
        """Subscribed: offers and updates come in, calls are taken."""
        return self._subscribed

    @property
    def framework_id(self) -> str | None:
        """As stored or, at the first subscription, as the master gave it."""
        return self._info["id"]["value"] if "id" in self._info else None

    @property
    def roles(self) -> frozenset[str]:
        """The roles that the framework is subscribed for."""
        return frozenset(self._info["roles"])

    @property
    def suppressed(self) -> frozenset[str]:
        """The roles that get no offers."""
        return frozenset(self._suppressed)

    async def run(self) -> None:
        """Keep the subscription until `close`. Raises FrameworkGoneError."""
        failures = 0
        while not self._closing.is_set():
            try:
                await self._subscribe()
                failures = 0  # it was a subscription that ended
            except (
                MesosError,
                NoLeaderError,
                aiohttp.ClientError,
                OSError,
                TimeoutError,
                recordio.RecordError,
            ) as error:
                log.warning("no subscription with the Mesos master: %s", error or type(error).__name__)
            finally:
                self._disconnected()
            delay = min(0.1 * 2.0**failures, 5.0) * random.uniform(0.5, 1)  # noqa: S311 - spreads reconnections
            failures += 1
            await set_within(self._closing, delay)

    async def close(self) -> None:
        """Ends the subscription; the framework stays registered for its failover timeout."""
        self._closing.set()
        if self._session is not None:
            await self._session.close()
        await self._detector.close()

    async def accept(
        self, offer_ids: Sequence[str], operations: Sequence[Mapping[str, Any]], *, refuse_seconds: float = 0
    ) -> None:
        """Use offers of one agent for operations; what is left of them is offered again."""
        accept = {"offer_ids": _ids(offer_ids), "operations": operations, "filters": {"refuse_seconds": refuse_seconds}}
        await self._call("ACCEPT", accept=accept)

    async def decline(self, offer_ids: Sequence[str], *, refuse_seconds: float) -> None:
        """Give offers back; the same resources are not offered again for a time, unless roles are revived."""
        filters = {"refuse_seconds": refuse_seconds}
        await self._call("DECLINE", decline={"offer_ids": _ids(offer_ids), "filters": filters})

    async def kill(self, task_id: str, agent_id: str, *, grace_seconds: float | None = None) -> None:
        """Ask for the end of a task; Mesos answers with an update also when it does not know the task."""
        kill: Json = {"task_id": {"value": task_id}, "agent_id": {"value": agent_id}}
        if grace_seconds is not None:
            kill["kill_policy"] = {"grace_period": {"nanoseconds": int(grace_seconds * 1e9)}}
        await self._call("KILL", kill=kill)

    async def acknowledge(self, status: Mapping[str, Any]) -> None:
        """Tell Mesos that an update is kept; without it the update comes again."""
        identity = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
        await self._call("ACKNOWLEDGE", acknowledge=identity)

    async def reconcile(self, tasks: Sequence[tuple[str, str]]) -> None:
        """Ask for the states of (task id, agent id); of all tasks that Mesos knows if there are none."""
        named = [{"task_id": {"value": task}, "agent_id": {"value": agent}} for task, agent in tasks]
        await self._call("RECONCILE", reconcile={"tasks": named})

    async def suppress(self, roles: Sequence[str]) -> None:
        """No more offers for these roles until they are revived; survives a change of master."""
        async with self._role_calls:
            await self._call("SUPPRESS", suppress={"roles": list(roles)})
            self._suppressed |= set(roles)

    async def revive(self, roles: Sequence[str]) -> None:
        """Offers for these roles again, filters of declined ones forgotten."""
        async with self._role_calls:
            await self._call("REVIVE", revive={"roles": list(roles)})
            self._suppressed -= set(roles)

    async def add_roles(self, roles: Sequence[str]) -> None:
        """Subscribe for more roles; at once if connected, otherwise with the next subscription."""
        async with self._role_calls:
            self._info["roles"] = sorted({*self._info["roles"], *roles})
            if not self.connected:
                return
            update = {"framework_info": self._info, "suppressed_roles": sorted(self._suppressed)}
            try:
                await self._call("UPDATE_FRAMEWORK", update_framework=update)
            except MesosError as error:
                if not error.refused:
                    raise
                log.info("subscribing again for roles %s: %s", ", ".join(self._info["roles"]), error)
                self._again.set()

    async def teardown(self) -> None:
        """End the framework and all its tasks. Its id cannot be used again."""
        await self._call("TEARDOWN")

    async def shutdown(self, executor_id: str, agent_id: str) -> None:
        """End an executor and its tasks."""
        names = {"executor_id": {"value": executor_id}, "agent_id": {"value": agent_id}}
        await self._call("SHUTDOWN", shutdown=names)

    async def _call(self, call: str, **arguments: Any) -> None:
        if not self.connected:
            raise MesosError(f"{call}: not subscribed", refused=True)
        message = {"type": call, "framework_id": self._info["id"], **arguments}
        headers = {**self._headers, "Mesos-Stream-Id": self._stream_id}
        timeout = aiohttp.ClientTimeout(total=self._call_timeout)
        request = self._http().post(
            f"http://{self.master}{_API}",
            data=orjson.dumps(message),
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        )
        try:
            async with request as response:
                if response.status not in (200, 202):  # UPDATE_FRAMEWORK is answered when it is done
                    answer = (await response.text())[:500]
                    raise MesosError(f"{call}: {response.status} {answer}", refused=True)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise MesosError(f"{call}: {error or type(error).__name__}", refused=False) from error

    async def _subscribe(self) -> None:
        master = await self._detector.leader()
        for _ in range(_REDIRECTS):
            redirect = await self._stream(master)
            if redirect is None:
                return
            master = redirect
        raise NoLeaderError("the masters send us from one to the other")

    async def _stream(self, master: str) -> str | None:
        """One subscription from its start to its end; the leader's address if `master` is a standby."""
        message: Json = {
            "type": "SUBSCRIBE",
            "subscribe": {"framework_info": self._info, "suppressed_roles": sorted(self._suppressed)},
        }
        if "id" in self._info:
            message["framework_id"] = self._info["id"]
        self._headers = self._login()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
        url = f"http://{master}{_API}"
        request = self._http().post(
            url, data=orjson.dumps(message), headers=self._headers, timeout=timeout, allow_redirects=False
        )
        async with request as response:
            if response.status == 307:
                return urlsplit(response.headers["Location"]).netloc
            if response.status != 200:
                raise _refusal(response.status, (await response.text())[:500])
            self.master = master
            self._stream_id = response.headers.get("Mesos-Stream-Id", "")
            await self._read_while_leading(master, response)
        return None

    async def _read_while_leading(self, master: str, response: aiohttp.ClientResponse) -> None:
        reading = asyncio.create_task(self._read(response))
        tasks = {
            reading,
            asyncio.create_task(self._detector.changed(master)),
            asyncio.create_task(self._closing.wait()),
            asyncio.create_task(self._again.wait()),
        }
        self._again.clear()
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if self._closing.is_set():
            return  # whoever still read has lost the connection under its hands (aiohttp: RuntimeError)
        for result in results:
            if isinstance(result, Exception):
                raise result
        log.info("the subscription with %s ends", master)

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        decoder, pace = recordio.Decoder(), Pace()
        silence = 60.0  # seconds; until the master has told its interval
        while True:
            async with asyncio.timeout(silence):
                piece = await response.content.read(_PIECE)
            if not piece:
                return
            for record in decoder.feed(piece):
                event = await events.decode(record, pace)
                if event["type"] == "SUBSCRIBED":
                    interval = float(event["subscribed"].get("heartbeat_interval_seconds", 15))
                    silence = interval * self._heartbeat_failures
                self._dispatch(event)
                await pace.turn()

    def _dispatch(self, event: Json) -> None:
        if event["type"] == "HEARTBEAT":
            return
        if event["type"] == "SUBSCRIBED":
            self._info["id"] = event["subscribed"]["framework_id"]
            self._subscribed = True
            log.info("subscribed with %s as %s", self.master, self.framework_id)
        if event["type"] == "ERROR":
            raise _refusal(403, event["error"]["message"])
        if self.on_event is not None:
            self.on_event(event)

    def _disconnected(self) -> None:
        if self._subscribed:
            self._subscribed = False
            self._stream_id = ""
            if self.on_event is not None:
                self.on_event({"type": "DISCONNECTED"})

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections + 1)  # one is the subscription
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=_PIECE)
        return self._session

    def _login(self) -> dict[str, str]:
        """Read with each subscription, so that a secret may be changed while we run."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._principal is not None and self._secret_file is not None:
            secret = Path(self._secret_file).read_text(encoding="utf-8").strip()
            login = base64.b64encode(f"{self._principal}:{secret}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        return headers


def _ids(values: Sequence[str]) -> list[Json]:
    return [{"value": value} for value in values]


def _refusal(status: int, answer: str) -> Exception:
    """What an answer other than success means: try again, or never."""
    text = answer.lower()
    if "removed" in text or "completed" in text or "failed over" in text or "torn down" in text:
        return FrameworkGoneError(answer)
    return MesosError(f"{status} {answer}", refused=True)
