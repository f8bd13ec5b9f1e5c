"""ZooKeeper's own numbers: the word `mntr`."""

from __future__ import annotations

import asyncio

from services.exporter.client import SECONDS
from services.exporter.figures import Figures, flat

_STATES = ("leader", "follower", "standalone", "observer")


async def collect(figures: Figures, address: str) -> None:
    """Raises OSError or ValueError where it does not serve."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(b"mntr")
            text = (await reader.read(-1)).decode(errors="replace")
        finally:
            writer.close()
    parse(figures, text)


def parse(figures: Figures, text: str) -> None:
    """Raises ValueError for an answer without numbers: it is not part of a quorum."""
    rows = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    if "zk_server_state" not in rows:
        raise ValueError(text.strip()[:100] or "no answer")
    for state in _STATES:
        now = float(rows["zk_server_state"] == state)
        figures.gauge("zookeeper_server_state", "1 for what it is now", now, {"state": state})
    for name, value in rows.items():
        try:
            number = float(value)
        except ValueError:
            continue
        # Summaries of 3.6 and later have names with braces: the plain numbers are enough.
        if "{" not in name:
            figures.gauge(flat(name.replace("zk_", "zookeeper_", 1)), f"ZooKeeper: {name}", number)
