"""The certificates that HAProxy shows: those of a folder that can be used. A broken one must not stop every reload."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from services.router.haproxy import atomic

NAMES = (".pem", ".crt", ".cert")


@dataclass(frozen=True, slots=True)
class Certificates:
    """`fingerprint`: of the files that can be used, empty without any. `problems`: file name -> why it is not used.

    `seen`: of all files, to know when to read them again.
    """

    fingerprint: str = ""
    files: tuple[str, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)
    seen: str = ""


def look(folder: str | None, known: Certificates) -> Certificates:
    """What is in the folder now; files are read only when one is not as it was. Raises OSError."""
    if folder is None or not Path(folder).is_dir():
        return Certificates()
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix in NAMES and path.is_file())
    states = {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}
    seen = _digest(states)
    if seen == known.seen:
        return known
    files, problems = [], {}
    for path in paths:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
            files.append(str(path))
        except (OSError, ValueError) as error:
            problems[path.name] = f"not a certificate with its key: {error}"
    usable = {file: states[file] for file in files}
    return Certificates(_digest(usable) if usable else "", tuple(files), problems, seen)


def write_list(maps_dir: str, certificates: Certificates) -> None:
    """HAProxy's list of certificates, named after its content: the old one stays for the process that uses it."""
    if certificates.fingerprint:
        path = Path(maps_dir) / list_name(certificates.fingerprint)
        atomic.write(path, "".join(f"{file}\n" for file in certificates.files), durable=True)


def remove_lists(maps_dir: str, used: str) -> None:
    """Remove the lists of other fingerprints."""
    for path in Path(maps_dir).glob("certificates-*.list"):
        if path.name != list_name(used):
            path.unlink(missing_ok=True)


def _digest(states: dict[str, tuple[int, int]]) -> str:
    return hashlib.sha256(repr(states).encode()).hexdigest()[:16]


def list_name(fingerprint: str) -> str:
    """File name of a list."""
    return f"certificates-{fingerprint}.list"
