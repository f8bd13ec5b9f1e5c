"""The certificates that the node's services show right now, whatever lies in files."""

from __future__ import annotations

import asyncio
import ssl

from services.exporter.client import SECONDS
from services.exporter.figures import Figures

_ENDS = "When the certificate that is served ends, Unix time"
_VALID = "1 when what is served is of this environment's CA and in its time"


async def collect(figures: Figures, ports: tuple[str, ...], ca: str) -> None:
    """Each `address:port`; one that does not answer at all is another alert's matter."""
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False  # names are the clients' matter; here it is about time
    for found in await asyncio.gather(*(_look(port, context) for port in ports)):
        if found:
            port, ends = found
            labels = {"port": port.rpartition(":")[2]}
            figures.gauge("utopia_certificate_valid", _VALID, float(ends is not None), labels)
            if ends is not None:
                figures.gauge("utopia_certificate_ends_seconds", _ENDS, ends, labels)


async def _look(port: str, context: ssl.SSLContext) -> tuple[str, float | None] | None:
    host, _, number = port.rpartition(":")
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, int(number), ssl=context)
    except ssl.SSLCertVerificationError:
        return port, None
    except (OSError, TimeoutError):
        return None
    try:
        certificate = writer.get_extra_info("peercert")
        return port, float(ssl.cert_time_to_seconds(certificate["notAfter"]))
    finally:
        writer.close()
