"""Files that are whole or not there: written beside, then renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


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
