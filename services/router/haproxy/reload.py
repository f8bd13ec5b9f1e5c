"""A reload as a transaction: checked, installed whole, loaded, seen to be loaded; else the last good is put back."""

from __future__ import annotations

import asyncio
import errno
import re
import resource
import socket
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from services.router.haproxy import atomic, runtime
from services.router.haproxy.model import Layout, Listener
from services.router.settings import Settings

FAILED = re.compile(r"master\s+(\d+)\s+\[failed: (\d+)\]")
ERROR_LINE = re.compile(r"\[[^\]\[:]*:(\d+)\]")
CHATTER = ("[NOTICE]", "[WARNING]")
CHECK_SECONDS = 60.0
LOAD_SECONDS = 30.0


class ReloadError(Exception):
    """HAProxy goes on with what it had. `app` is the culprit when one is known."""

    def __init__(self, message: str, app: str | None = None) -> None:
        super().__init__(message)
        self.app = app


async def validate(binary: str, path: str) -> str:
    """What `haproxy -c` complains of; empty when the file is valid. Raises ReloadError when it cannot be run."""
    try:
        process = await asyncio.create_subprocess_exec(
            binary, "-c", "-f", path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        raise ReloadError(f"{binary}: {error}") from error
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise ReloadError(f"haproxy -c did not end within {CHECK_SECONDS:g} s") from error
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode == 0:
        return ""
    lines = output.decode("utf-8", "replace").splitlines()
    return "\n".join(line for line in lines if not line.startswith(CHATTER)) or "not valid"


def culprit(config: str, complaint: str) -> str | None:
    """The application whose part of the configuration HAProxy complains of, by the comment above the line."""
    lines = config.splitlines()
    for match in ERROR_LINE.finditer(complaint):
        for line in reversed(lines[: int(match.group(1))]):
            if line.lstrip().startswith("# app "):
                app = line.split("# app ", 1)[1]
                if app != "-":
                    return app
                break
    return None


def taken_ports(wanted: Iterable[Listener], frontends: Collection[str]) -> dict[int, str]:
    """New ports that something else holds, with the reason: a bind that fails stops every listener for a second.

    `frontends`: those that HAProxy has now, whose ports are its own.
    """
    ours = {int(port) for name in frontends if (port := name.rpartition("-")[2]).isdigit()}
    taken = {}
    for listener in wanted:
        if listener.port in ours:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("" if listener.address == "*" else listener.address, listener.port))
                probe.listen(1)
            except OSError as error:
                if error.errno != errno.EACCES:
                    taken[listener.port] = error.strerror or str(error)
    return taken


def check_descriptors(layout: Layout, settings: Settings, pid: int) -> None:
    """Raises ReloadError when the layout needs more descriptors than the process may have."""
    try:
        _, limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except (OSError, ValueError):
        return  # not ours to ask: HAProxy itself will say it
    checks = sum(len(section.slots) for section in layout.sections.values())
    need = 2 * settings.maxconn + checks + 2 * len(layout.listeners) + 200
    if limit != resource.RLIM_INFINITY and need > limit:
        raise ReloadError(f"{need} file descriptors needed (maxconn {settings.maxconn}, {checks} slots), not {limit}")


class Loader:
    """Brings a configuration into HAProxy."""

    def __init__(self, settings: Settings, worker: runtime.Runtime) -> None:
        self._settings = settings
        self._worker = worker

    async def check(self, config: str) -> None:
        """Validate the text beside the file that it will become. Raises ReloadError."""
        target = Path(self._settings.haproxy_config)
        with tempfile.NamedTemporaryFile("w", prefix=".candidate-", suffix=".cfg", dir=target.parent) as file:
            file.write(config)
            file.flush()
            complaint = await validate(self._settings.haproxy_binary, file.name)
        if complaint:
            raise ReloadError(complaint[-2000:], culprit(config, complaint))

    def install(self, config: str, maps: Mapping[str, str], *, durable: bool) -> None:
        """Write configuration and maps. Raises OSError."""
        for name, text in maps.items():
            atomic.write(Path(self._settings.maps_dir) / name, text, mode=0o644, durable=durable)
        atomic.write(self._settings.haproxy_config, config, durable=durable)

    async def load(self, config: str, maps: Mapping[str, str], fingerprint: str) -> runtime.Info:
        """The whole transaction; returns the new worker. Raises ReloadError, RuntimeSocketError, OSError."""
        await self.check(config)
        before = await runtime.info(self._worker)
        failures = self._failures(await runtime.once(self._settings.master_socket, "show proc"))
        kept = self._read()
        await asyncio.to_thread(self.install, config, maps, durable=True)
        try:
            answer = await runtime.once(self._settings.master_socket, "reload", timeout=LOAD_SECONDS)
            return await self._loaded(before.pid, fingerprint, failures, answer)
        except (ReloadError, runtime.RuntimeSocketError):
            if kept is not None:
                await asyncio.to_thread(self.install, *kept, durable=True)
            raise
        finally:
            await self._worker.reopen()

    async def _loaded(self, old_pid: int, fingerprint: str, failures: int, answer: str) -> runtime.Info:
        if "Success=0" in answer:  # from HAProxy 2.7 on
            raise ReloadError(answer[-2000:].strip())
        deadline = asyncio.get_running_loop().time() + LOAD_SECONDS
        last = "no answer"
        while asyncio.get_running_loop().time() < deadline:
            await self._worker.reopen()
            try:
                found = await runtime.info(self._worker)
                if found.pid != old_pid and not found.stopping:
                    if found.fingerprint == fingerprint:
                        return found
                    raise ReloadError("HAProxy loaded another configuration than the one wanted")
                last = f"worker {found.pid} goes on"
                processes = await runtime.once(self._settings.master_socket, "show proc", timeout=1)
                if self._failures(processes) > failures:
                    raise ReloadError("HAProxy refused the new configuration and goes on with the old one")
            except runtime.RuntimeSocketError as error:
                last = str(error)
            await asyncio.sleep(0.01)  # a probe every 10 ms: the sockets are between two processes
        raise ReloadError(f"no new worker within {LOAD_SECONDS:g} s: {last}")

    def _failures(self, processes: str) -> int:
        match = FAILED.search(processes)
        return int(match.group(2)) if match else 0

    def _read(self) -> tuple[str, dict[str, str]] | None:
        """What is installed now, to be put back."""
        config = Path(self._settings.haproxy_config)
        if not config.exists():
            return None
        maps = Path(self._settings.maps_dir).glob("*.map")
        return config.read_text(encoding="utf-8"), {path.name: path.read_text(encoding="utf-8") for path in maps}
