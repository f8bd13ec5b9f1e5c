"""Files that are whole or not there: written beside, then renamed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

CERTIFICATE_NAMES = (".pem", ".crt", ".cert")


def write(path: str | Path, text: str | bytes, *, mode: int = 0o640, durable: bool = False) -> None:
    """Replace the file. `durable`: it survives a power cut from then on. Raises OSError."""
    path = Path(path)
    data = text.encode() if isinstance(text, str) else text
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def certificates(folder: str | None) -> str:
    """A fingerprint of the certificates in the folder; empty when there are none. Raises OSError."""
    if folder is None or not Path(folder).is_dir():
        return ""
    files = [
        (path.name, path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted(Path(folder).iterdir())
        if path.suffix in CERTIFICATE_NAMES and path.is_file() and path.stat().st_size
    ]
    return hashlib.sha256(repr(files).encode()).hexdigest()[:16] if files else ""
