"""`python -m services.exporter --config FILE`: run until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import sys

from aiohttp import web

from services.exporter.server import application
from services.exporter.settings import Settings, SettingsError, load


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 after SIGTERM, 1 when it cannot listen, 2 for settings that cannot be used."""
    parser = argparse.ArgumentParser(prog="utopia-exporter", description="a node's figures for Prometheus")
    parser.add_argument("--config", required=True, help="settings, a JSON file")
    options = parser.parse_args(argv)
    logging.basicConfig(level="INFO", format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        asyncio.run(serve(load(options.config)))
    except (SettingsError, OSError) as error:
        logging.getLogger("services.exporter").critical("%s", error)
        return 2 if isinstance(error, SettingsError) else 1
    return 0


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises OSError when the address cannot be bound."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.certificate, settings.key)
    runner = web.AppRunner(application(settings), access_log=None, shutdown_timeout=2)
    await runner.setup()
    host, port = settings.address
    await web.TCPSite(runner, host, port, ssl_context=context, reuse_address=True).start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
