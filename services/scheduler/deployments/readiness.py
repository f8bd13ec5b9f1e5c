"""Readiness checks: asked over HTTP by the leading scheduler, during deployments only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from services.scheduler.definitions.app import App, ReadinessCheck
from services.scheduler.instances.instance import Instance

log = logging.getLogger(__name__)

_BODY_LIMIT = 10 * 1024  # bytes of an answer that are kept for `preserveLastResponse`


@dataclass(slots=True)
class Result:
    """What is known of one check of one instance."""

    name: str
    task_id: str
    ready: bool = False
    last_response: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """As in `readinessCheckResults` of the API."""
        document: dict[str, Any] = {"name": self.name, "taskId": self.task_id, "ready": self.ready}
        if self.last_response is not None:
            document["lastResponse"] = self.last_response
        return document


@dataclass(slots=True)
class _Watch:
    app_id: str
    results: list[Result]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


def address(app: App, instance: Instance, port_name: str) -> tuple[str, int] | None:
    """Host and port that a check is to ask: the agent's where the port is mapped, else the container's own.

    None if there is no such port, or the container's address is not known yet.
    """
    if app.container is not None and any(network.mode != "host" for network in app.networks):
        mapped = iter(instance.host_ports)
        for mapping in app.container.port_mappings:
            host_port = next(mapped, None) if mapping.host_port is not None else None
            if mapping.name != port_name:
                continue
            if host_port is not None:
                return instance.hostname, host_port
            if instance.ip_addresses and mapping.container_port:
                return instance.ip_addresses[0], mapping.container_port
            return None
        return None
    for definition, port in zip(app.port_definitions, instance.host_ports, strict=False):
        if definition.name == port_name:
            return instance.hostname, port
    return None


class ReadinessChecker:
    """`on_ready(instance)` is called once all checks of an instance have passed."""

    def __init__(self, on_ready: Callable[[Instance], None]) -> None:
        self._on_ready = on_ready
        self._watches: dict[str, _Watch] = {}
        self._session: aiohttp.ClientSession | None = None

    def watch(self, app: App, instance: Instance) -> None:
        """Asks until the instance is ready or dropped; nothing happens if that goes on already."""
        if instance.id in self._watches:
            return
        results = [Result(check.name, instance.task_id) for check in app.readiness_checks]
        watch = _Watch(app.id, results)
        self._watches[instance.id] = watch
        for check, result in zip(app.readiness_checks, results, strict=True):
            asking = self._ask_until_ready(app, instance, check, result)
            watch.tasks.append(asyncio.create_task(asking, name=f"readiness of {instance.id}"))

    def keep(self, app_id: str, instance_ids: Collection[str]) -> None:
        """Ends the checks of all other instances of the application."""
        gone = [
            instance_id
            for instance_id, watch in self._watches.items()
            if watch.app_id == app_id and instance_id not in instance_ids
        ]
        for instance_id in gone:
            for task in self._watches.pop(instance_id).tasks:
                task.cancel()

    def results(self, app_id: str) -> list[Result]:
        """Of all instances that are watched."""
        return [result for watch in self._watches.values() if watch.app_id == app_id for result in watch.results]

    async def close(self) -> None:
        """Ends everything."""
        tasks = [task for watch in self._watches.values() for task in watch.tasks]
        self._watches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _ask_until_ready(self, app: App, instance: Instance, check: ReadinessCheck, result: Result) -> None:
        while True:
            result.ready = await self._ask(app, instance, check, result)
            if result.ready:
                break
            await asyncio.sleep(check.interval_seconds)
        watch = self._watches.get(instance.id)
        if watch is not None and all(other.ready for other in watch.results):
            self._on_ready(instance)

    async def _ask(self, app: App, instance: Instance, check: ReadinessCheck, result: Result) -> bool:
        where = address(app, instance, check.port_name)
        if where is None:
            return False
        host, port = where
        url = f"{check.protocol.lower()}://{f'[{host}]' if ':' in host else host}:{port}/{check.path.lstrip('/')}"
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        timeout = aiohttp.ClientTimeout(total=check.timeout_seconds)
        try:
            # Certificates of tasks are their own affair, as with health checks over HTTPS.
            async with self._session.get(url, timeout=timeout, ssl=False, allow_redirects=False) as response:
                if check.preserve_last_response:
                    body = await response.content.read(_BODY_LIMIT)
                    result.last_response = {
                        "status": response.status,
                        "contentType": response.content_type,
                        "body": body.decode(errors="replace"),
                    }
                return response.status in check.http_status_codes_for_ready
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.debug("readiness check %s of %s: %s", check.name, instance.task_id, error or type(error).__name__)
            return False
