"""`python -m services.router --config FILE`: run the router, or write HAProxy's first configuration."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys

from aiohttp import web

from services.router import initial
from services.router.api.server import application
from services.router.haproxy.reload import ReloadError
from services.router.router import Router
from services.router.settings import Settings, SettingsError, load

log = logging.getLogger("services.router")


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 after SIGTERM, 1 when the router cannot run, 2 for settings that cannot be used."""
    parser = argparse.ArgumentParser(prog="utopia-router", description="Marathon's applications through HAProxy")
    parser.add_argument("--config", required=True, help="settings, a JSON file")
    parser.add_argument(
        "--render-initial",
        action="store_true",
        help="write a valid first haproxy.cfg and its maps unless valid ones are there, then end",
    )
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    options = parser.parse_args(argv)
    logging.basicConfig(level=options.log_level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("kazoo").setLevel(logging.WARNING)
    try:
        settings = load(options.config)
        if options.render_initial:
            written = asyncio.run(initial.write(settings))
            log.info("%s %s", settings.haproxy_config, "written" if written else "is valid, left as it is")
            return 0
        asyncio.run(serve(settings))
    except (SettingsError, OSError, ReloadError) as error:
        log.critical("%s", error)
        return 2 if isinstance(error, SettingsError) else 1
    return 0


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises OSError when the address cannot be bound, SettingsError."""
    router = Router(settings)
    runner = web.AppRunner(application(router), access_log=None, shutdown_timeout=2)
    await runner.setup()
    host, port = settings.api_address
    await web.TCPSite(runner, host, port, reuse_address=True).start()
    work = asyncio.ensure_future(router.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("ended")
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
