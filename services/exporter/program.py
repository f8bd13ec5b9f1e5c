"""Programs of the node that are asked for figures."""

from __future__ import annotations

import asyncio

from services.exporter.client import SECONDS


async def output(*command: str, seconds: float = SECONDS) -> bytes:
    """What a program prints. OSError when it cannot be started; TimeoutError, and it is ended, when it takes longer."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(seconds):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return printed
