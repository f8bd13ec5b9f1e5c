"""The router as a whole: Marathon and ZooKeeper -> routes -> HAProxy, with what was known last on disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from services.router import state_file
from services.router.haproxy.controller import Controller
from services.router.haproxy.render import Renderer
from services.router.marathon.client import MarathonClient
from services.router.marathon.watcher import Watcher
from services.router.rules.codec import Rule
from services.router.rules.routes import Problem, Routes, check, make
from services.router.rules.store import RuleStore
from services.router.rules.verdicts import Verdicts
from services.router.settings import Settings, secret
from services.router.targets import Targets

log = logging.getLogger(__name__)

SAVE_SECONDS = 2.0
PATIENCE_SECONDS = 5.0  # for the rules at the first start ever; later ones know the last rules
RESOLVE_AGAIN_SECONDS = 30.0


class Router:
    """Make it inside the loop; `run` until cancelled."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        known = state_file.load(settings.state_file)
        self.known = known
        self._route_wake = asyncio.Event()
        self._save_wake = asyncio.Event()
        self.client = MarathonClient(
            settings.marathon_endpoints,
            user=settings.marathon_user,
            password=lambda: secret(settings.marathon_password_file),
            ca_file=settings.marathon_ca_file,
        )
        self.watcher = Watcher(
            self.client,
            changed=self.changed,
            resync=settings.resync_seconds,
            coalesce=settings.coalesce_milliseconds / 1000,
            known=known.documents,
            known_at=known.read_at,
        )
        self.store = RuleStore(
            ",".join(settings.zookeeper_hosts),
            settings.zookeeper_path,
            login=secret(settings.zookeeper_credentials_file),
            known=known.rules,
            changed=self.changed,
        )
        self.controller = Controller(
            settings,
            Renderer(settings, secret(settings.stats_credentials_file)),
            known.layout,
            changed=self._save_wake.set,
        )
        sections = known.layout.sections.values() if known.layout else ()
        self.targets = Targets(
            self.changed, [slot.server for section in sections for slot in section.slots if slot.server]
        )
        self.verdicts = Verdicts(settings.haproxy_binary)
        self.routes: Routes | None = None
        self._logged: set[Problem] = set()
        self.started_at = time.time()

    def changed(self) -> None:
        """Something that routes follow from is another one now."""
        self._route_wake.set()
        self._save_wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with self.client, asyncio.TaskGroup() as tasks:
                for work in (self.watcher.run(), self.store.run(), self.controller.run(), self._route(), self._save()):
                    tasks.create_task(work)
        finally:
            await self.targets.close()
            if self.watcher.fresh:
                await asyncio.to_thread(self._write, self._snapshot())

    async def check_rule(self, text: str, app: str) -> None:
        """Raises RuleError when a rule of the application would not be taken."""
        parsed = check(text, app, self.watcher.apps, self.store.rules)
        if not parsed.hosts:
            await self.verdicts.check([parsed.text])
            self.verdicts.raise_if_refused(parsed.text)

    def problems(self) -> list[Problem]:
        """Everything that is wrong with applications and rules now."""
        found = list(self.routes.problems) if self.routes else []
        found += [Problem(app, "app", message) for app, message in self.watcher.problems.items()]
        found += [Problem(app, "haproxy", message) for app, message in self.controller.status.problems.items()]
        certificates = self.controller.status.certificate_problems
        found += [Problem("", "certificate", f"{name}: {message}") for name, message in certificates.items()]
        found += [Problem("", "task", message) for message in self.targets.problems.values()]
        return sorted(found, key=lambda problem: (problem.app, problem.source, problem.message))

    def health(self) -> dict[str, Any]:
        """Whether HAProxy runs what is wanted, and how old the view is. Times are Unix seconds."""
        status = self.controller.status
        now = time.time()
        return {
            "applied": status.applied and not status.pending,
            "pending": status.pending,
            "view_age_seconds": None if self.watcher.read_at is None else round(now - self.watcher.read_at, 3),
            "view_fresh": self.watcher.fresh and self.watcher.last_error is None,
            "last_reload": status.last_reload,
            "last_reload_seconds": status.last_reload_seconds,
            "last_error": status.last_error,
            "last_error_at": status.last_error_at,
            "reloads": status.reloads,
            "failed_reloads": status.failed_reloads,
            "draining": self.controller.draining,
            "apps": len(self.watcher.apps),
            "rules": len(self.store.rules),
            "problems": len(self.problems()),
            "marathon": {
                "endpoint": self.client.endpoint,
                "streaming": self.watcher.streaming,
                "error": self.watcher.last_error,
            },
            "zookeeper": {
                "enabled": self.store.enabled,
                "connected": self.store.connected,
                "error": self.store.last_error,
            },
        }

    async def _route(self) -> None:
        patience = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):  # names are resolved again now and then
                async with asyncio.timeout(RESOLVE_AGAIN_SECONDS if self.routes else 0.2):
                    await self._route_wake.wait()
            self._route_wake.clear()
            known = self.watcher.fresh or self.known.read_at is not None
            rules_known = not self.store.enabled or self.store.read_at or self.known.read_at is not None
            if known and (rules_known or time.monotonic() > patience):
                await self._make(self.store.rules)

    async def _make(self, rules: dict[str, Rule]) -> None:
        await self.verdicts.check_rules(rules.values())
        self.targets.begin()
        self.routes = make(
            self.watcher.apps, rules, self.settings, servers=self.targets.servers, refused=self.verdicts.refused
        )
        self.targets.end()
        self._log_problems(self.routes.problems)
        self.controller.want(self.routes.wanted)

    def _log_problems(self, problems: list[Problem]) -> None:
        """Each once, when it comes."""
        for problem in set(problems) - self._logged:
            log.warning("%s: %s: %s", problem.app, problem.source, problem.message)
        self._logged = set(problems)

    async def _save(self) -> None:
        while True:
            await self._save_wake.wait()
            self._save_wake.clear()
            if self.watcher.fresh:
                data = self._snapshot()
                try:
                    await asyncio.to_thread(self._write, data)
                except OSError as error:
                    log.warning("%s: %s", self.settings.state_file, error)
            await asyncio.sleep(SAVE_SECONDS)

    def _snapshot(self) -> bytes:
        return state_file.encode(self.watcher.documents, self.watcher.read_at, self.store.rules, self.controller.layout)

    def _write(self, data: bytes) -> None:
        state_file.write(self.settings.state_file, data)
