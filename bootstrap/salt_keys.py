"""Salt's RSA keys, made on the controlling side so that no key is ever accepted on sight."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bootstrap import paths

_BITS = 2048


@dataclass(frozen=True, slots=True)
class KeyPair:
    """PEM files' contents; the private one stays out of every repr."""

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        return "KeyPair(...)"


def ensure(env: str, minions: Iterable[str]) -> tuple[KeyPair, Mapping[str, KeyPair]]:
    """The master's pair and one per minion, made where missing; `state/<env>/salt/`."""
    folder = paths.state_dir(env) / "salt"
    names = list(minions)
    (folder / "minions").mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    # Making a key runs outside Python's lock, so threads share the work between the cores.
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        master = pool.submit(_pair, folder / "master")
        pairs = dict(zip(names, pool.map(lambda name: _pair(folder / "minions" / name), names), strict=True))
        return master.result(), pairs


def _pair(stem: Path) -> KeyPair:
    private, public = stem.with_name(f"{stem.name}.pem"), stem.with_name(f"{stem.name}.pub")
    if not (private.exists() and public.exists()):
        pair = _make()
        _write(private, pair.private)
        _write(public, pair.public)
    return KeyPair(private.read_bytes(), public.read_bytes())


def _make() -> KeyPair:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    return KeyPair(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
