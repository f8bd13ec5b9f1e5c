"""Keeps HAProxy at what is wanted: by its command line at once, by reloads at most every few seconds, with draining."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from services.router.haproxy import certificates, commands, layout, repair, runtime
from services.router.haproxy.model import Layout, Wanted
from services.router.haproxy.reload import Loader, ReloadError, check_descriptors, taken_ports
from services.router.haproxy.render import Renderer, map_texts
from services.router.settings import Settings, SettingsError

log = logging.getLogger(__name__)

DRAIN_POLL = 0.2  # seconds between looks at what drains
LOOK_SECONDS = 2.0  # between looks at whether HAProxy is still the one that was told
WRITE_SECONDS = 1.0  # after a change by command line, the files follow within this
RETRY_SECONDS = 30.0  # a configuration that HAProxy refused is tried again after this


@dataclass
class Status:
    """What the API says of HAProxy. Times are Unix seconds."""

    applied: bool = False
    pending: list[str] = field(default_factory=list)
    last_error: str | None = None
    last_error_at: float | None = None
    last_reload: float | None = None
    last_reload_seconds: float | None = None
    reloads: int = 0
    failed_reloads: int = 0
    runtime_changes: int = 0
    repairs: int = 0
    certificate_problems: dict[str, str] = field(default_factory=dict)  # file name -> why it is not used
    problems: dict[str, str] = field(default_factory=dict)  # application -> why it is left out of the configuration


class Controller:
    """`want` says what is wanted; `run` brings it about until it is cancelled."""

    def __init__(
        self,
        settings: Settings,
        renderer: Renderer,
        known: Layout | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._renderer = renderer
        self._worker = runtime.Runtime(settings.runtime_socket)
        self._loader = Loader(settings, self._worker)
        self._changed = changed
        self._wake = asyncio.Event()
        self._all: Wanted | None = None
        self._left_out: dict[str, tuple[str, float]] = {}  # application -> why, until (monotonic)
        self._started = False
        self._due = True  # something is wanted that was not compared with the layout
        self._unsure = False  # HAProxy may have taken steps that the layout does not know
        self._certificates = certificates.Certificates()
        self._pid = 0
        self._looked = 0.0
        self._polled = 0.0
        self._reloaded = float("-inf")
        self._refused: tuple[str, float] | None = None  # fingerprint that HAProxy refused, when to try again
        self._dirty: float | None = None  # since when the files are older than HAProxy
        self.layout = known
        self.status = Status()

    @property
    def draining(self) -> int:
        """Servers that finish their requests."""
        sections = self.layout.sections.values() if self.layout else ()
        return sum(slot.state == "draining" for section in sections for slot in section.slots)

    @property
    def _told(self) -> Layout:
        if self.layout is None:
            raise runtime.RuntimeSocketError("HAProxy was not told anything yet")
        return self.layout

    def want(self, wanted: Wanted) -> None:
        """Replace what is wanted; it is applied at once."""
        self._all = wanted
        self._due = True
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. What goes wrong is kept in `status` and tried again."""
        while True:
            with contextlib.suppress(TimeoutError):  # what drains is looked at meanwhile
                async with asyncio.timeout(DRAIN_POLL):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.step()
            except (runtime.RuntimeSocketError, ReloadError, SettingsError, OSError, ValueError) as error:
                self._due = self._unsure = True
                self._failed(str(error))
                await asyncio.sleep(DRAIN_POLL)

    async def step(self) -> None:
        """One round: look, change, reload, drain, write. Raises what is wrong with HAProxy or its files."""
        if self._all is None:
            return
        if self._unsure or time.monotonic() - self._looked > LOOK_SECONDS:
            await self._look()
        if self._due:
            self._due = False
            wanted = self._without_left_out(self._all)
            if not self._started:
                await self._start(wanted)
            todo = layout.change(self._told, wanted, self._certificates.fingerprint)
            await self._take(todo, wanted)
            self.status.pending = todo.reload
        if self.status.pending and time.monotonic() - self._reloaded >= self._settings.reload_seconds:
            await self._reload(self._without_left_out(self._all))
        await self._drain()
        await self._write()
        if not self.status.pending:
            self.status.applied = True
            self.status.last_error = None

    async def _start(self, wanted: Wanted) -> None:
        """Take HAProxy over as it is when it runs what was known, else by a reload."""
        found = await runtime.info(self._worker)
        if self.layout is not None and found.fingerprint == self._renderer.fingerprint(self.layout):
            await repair.adopt(self._worker, self.layout, wanted, self._settings.maps_dir)
            self._pid, self._dirty = found.pid, time.monotonic()
        else:
            await self._reload(wanted)
        self._started = True

    async def _look(self) -> None:
        """Whether certificates are others, who was left out may come back, and HAProxy is still the one it was."""
        self._looked = time.monotonic()
        found = await asyncio.to_thread(certificates.look, self._settings.certificates_dir, self._certificates)
        self.status.certificate_problems = found.problems
        if found.fingerprint != self._certificates.fingerprint or any(
            until < self._looked for _, until in self._left_out.values()
        ):
            self._due = True
        self._certificates = found
        if not self._started:
            self._unsure = False
            return
        worker = await runtime.info(self._worker)
        if worker.stopping:
            await self._worker.reopen()
            worker = await runtime.info(self._worker)
        if worker.pid == self._pid and not self._unsure:
            return
        log.warning("HAProxy is told again what it has to do: process %d, was %d", worker.pid, self._pid)
        if worker.fingerprint == self._renderer.fingerprint(self._told):
            await self._repair()
            self._pid = worker.pid
        else:
            self._started, self._due = False, True
        self._unsure = False

    async def _take(self, todo: layout.Change, wanted: Wanted) -> None:
        lines = [(step, line) for step in todo.steps for line in commands.of(step, self._settings.maps_dir)]
        if lines:
            answers = await self._worker.run([line for _, line in lines])
            for (_, line), answer in zip(lines, answers, strict=True):
                try:
                    commands.check(line, answer)
                except runtime.RefusedError:
                    await self._repair()  # HAProxy and the layout differ: nobody knows which steps it took
                    raise
            self.status.runtime_changes += len(todo.steps)
        now = time.monotonic()
        for step in todo.steps:
            layout.apply(self._told, step, now, self._settings.drain_seconds)
        layout.note_maps(self._told, wanted)
        if todo.steps:
            self._dirty = self._dirty or now
            self._changed()

    async def _reload(self, wanted: Wanted) -> None:
        ours = await runtime.frontends(self._worker)
        taken = await asyncio.to_thread(taken_ports, wanted.listeners, ours)
        for listener in wanted.listeners:
            if listener.port in taken:
                self._leave_out(listener.app, f"port {listener.port}: {taken[listener.port]}")
        if taken:
            wanted = self._without_left_out(wanted)
        new = layout.fresh(
            wanted,
            self.layout,
            spare_backends=self._settings.spare_backends,
            spare_slots=self._settings.spare_slots,
            certificates=self._certificates.fingerprint,
        )
        fingerprint = self._renderer.fingerprint(new)
        if self._refused and self._refused[0] == fingerprint and time.monotonic() < self._refused[1]:
            self._reloaded = time.monotonic()  # look again as if it had been tried
            return
        started = time.monotonic()
        try:
            if self._pid:
                check_descriptors(new, self._settings, self._pid)
            await asyncio.to_thread(certificates.write_list, self._settings.maps_dir, self._certificates)
            config = await asyncio.to_thread(self._renderer.config, new)
            found = await self._loader.load(config, map_texts(new.maps), fingerprint)
        except ReloadError as error:
            self._reloaded = time.monotonic()
            self.status.failed_reloads += 1
            if error.app is not None:
                self._leave_out(error.app, str(error))
            else:
                self._refused = fingerprint, time.monotonic() + RETRY_SECONDS
            raise
        self._pid, self.layout, self._refused, self._dirty = found.pid, new, None, None
        self._reloaded = time.monotonic()
        await asyncio.to_thread(certificates.remove_lists, self._settings.maps_dir, new.certificates)
        await self._repair()
        self.status.reloads += 1
        self.status.last_reload = time.time()
        self.status.last_reload_seconds = round(self._reloaded - started, 3)
        log.info("reloaded in %.3f s: %s", self._reloaded - started, "; ".join(self.status.pending[:5]) or "start")
        self.status.pending = []
        self._due = True
        self._changed()

    async def _repair(self) -> None:
        """Compare HAProxy with the layout and send what differs. Raises RuntimeSocketError."""
        lines = await repair.differences(self._worker, self._told, self._settings.maps_dir)
        for line, answer in zip(lines, await self._worker.run(lines), strict=True):
            commands.check(line, answer)
        if lines:
            self.status.repairs += 1
            log.info("repaired %d differences", len(lines))

    async def _drain(self) -> None:
        """End the slots that have become empty, or that were given enough time."""
        now = time.monotonic()
        if now - self._polled < DRAIN_POLL:
            return
        self._polled = now
        for section in self._told.sections.values():
            draining = [slot for slot in section.slots if slot.state == "draining"]
            if not draining:
                continue
            work = await runtime.sessions(self._worker, section.name)
            ended = [slot for slot in draining if not work.get(slot.name) or now >= slot.deadline]
            if ended:
                lines = [commands.maintenance(section.name, slot.name) for slot in ended]
                for line, answer in zip(lines, await self._worker.run(lines), strict=True):
                    commands.check(line, answer)
            for slot in ended:
                slot.server, slot.state = None, "free"
            self._due = self._due or bool(ended)

    async def _write(self) -> None:
        """HAProxy's own restart must not bring back old addresses: the files follow what it was told."""
        if self._dirty is None or time.monotonic() - self._dirty < WRITE_SECONDS:
            return
        self._dirty = None
        config = await asyncio.to_thread(self._renderer.config, self._told)
        await asyncio.to_thread(self._loader.install, config, map_texts(self._told.maps), durable=False)

    def _leave_out(self, app: str, why: str) -> None:
        log.warning("%s is left out: %s", app, why)
        self._left_out[app] = why, time.monotonic() + RETRY_SECONDS
        self._due = True

    def _without_left_out(self, wanted: Wanted) -> Wanted:
        """HAProxy refused these applications' rules and ports: the others go on without them, for a while."""
        now = time.monotonic()
        self._left_out = {app: entry for app, entry in self._left_out.items() if entry[1] > now}
        self.status.problems = {app: why for app, (why, _) in self._left_out.items()}
        if not self._left_out:
            return wanted
        return replace(
            wanted,
            acls=tuple(acl for acl in wanted.acls if acl.app not in self._left_out),
            listeners=tuple(one for one in wanted.listeners if one.app not in self._left_out),
        )

    def _failed(self, message: str) -> None:
        if message != self.status.last_error:
            log.error("%s", message)
        self.status.applied = False
        self.status.last_error, self.status.last_error_at = message, time.time()
