"""The environment's own SSH key: made once, kept 0600, never the operator's personal one."""

from __future__ import annotations

import os
from pathlib import Path

from bootstrap import paths


def ensure(env: str) -> Path:
    """Path of the private key (ed25519, no passphrase); `<path>.pub` is what machines get."""
    folder = paths.state_dir(env) / "ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    private = folder / "id_ed25519"
    public = private.with_suffix(".pub")
    if not private.exists():
        _make(private, env)
    if not public.exists():
        _write(public, _public_line(private, env))
    return private


def public_line(env: str) -> str:
    """The authorized_keys line of the environment's key."""
    return ensure(env).with_suffix(".pub").read_text(encoding="utf-8").strip()


def _make(private: Path, env: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    _write(private, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    private.with_suffix(".pub").unlink(missing_ok=True)  # a public half of an earlier, lost key
    _write(private.with_suffix(".pub"), _public_line(private, env))


def _public_line(private: Path, env: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

    public = load_ssh_private_key(private.read_bytes(), password=None).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + f" utopia-{env}\n".encode()


def _write(path: Path, content: bytes) -> None:
    """0600 from the first byte on, and never half a file under its name."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
