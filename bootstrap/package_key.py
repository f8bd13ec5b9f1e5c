"""The OpenPGP key of an environment: signs its package repository and the list of what is in a mirror.

The secret key is a 0600 file of the state folder; GnuPG works on a copy in a folder that goes with the signing.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bootstrap import engine, file_lock, paths
from bootstrap.errors import ArtifactError
from bootstrap.process import Progress

PROGRAMS = {"gpg": "gpg", "gpg-agent": "gpg-agent", "gpgconf": "gpgconf"}
_WHY = "packages and mirrors are signed with it"


class PackageKey:
    """Made when first needed."""

    def __init__(self, env: str, progress: Progress) -> None:
        engine.install(PROGRAMS, progress, why=_WHY)
        folder = paths.state_dir(env) / "packages"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._secret = folder / "key.secret.asc"
        with file_lock.exclusive(folder / "lock"):
            if not self._secret.exists():
                self._make(env)

    def public(self) -> bytes:
        """The public key, ASCII-armoured, as apt takes it."""
        with self._ring() as home:
            return _gpg(home, ["--armor", "--export"])

    def fingerprint(self) -> str:
        """Of the key, in hexadecimal."""
        return fingerprint(self.public())

    def clear_sign(self, content: bytes) -> bytes:
        """The text with its signature around it (InRelease)."""
        with self._ring() as home:
            return _gpg(home, ["--armor", "--clear-sign", "--digest-algo", "SHA512"], content)

    def sign(self, content: bytes) -> bytes:
        """A signature to go beside the file."""
        with self._ring() as home:
            return _gpg(home, ["--armor", "--detach-sign", "--digest-algo", "SHA512"], content)

    def _make(self, env: str) -> None:
        with _home() as home:
            _gpg(
                home, ["--passphrase", "", "--quick-generate-key", f"Utopia packages of {env}", "rsa3072", "sign", "0"]
            )
            secret = _gpg(home, ["--armor", "--export-secret-keys"])
        draft = self._secret.with_name(f".{self._secret.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secret)
        draft.replace(self._secret)

    @contextmanager
    def _ring(self) -> Iterator[Path]:
        with _home() as home:
            _gpg(home, ["--import"], self._secret.read_bytes())
            yield home


def fingerprint(public: bytes) -> str:
    """Of an exported public key."""
    with _home() as home:
        _gpg(home, ["--import"], public)
        listed = _gpg(home, ["--with-colons", "--list-keys"]).decode()
    found = re.search(r"^fpr:+([0-9A-F]{40,}):", listed, re.MULTILINE)
    if not found:
        raise ArtifactError("the file holds no OpenPGP key", next_step="it is damaged: make the mirror anew")
    return found[1]


def verified(public: bytes, content: Path, signature: Path) -> bool:
    """Whether `signature` is one of this key for `content`."""
    with _home() as home:
        _gpg(home, ["--import"], public)
        return _run(home, ["--verify", str(signature), str(content)], b"").returncode == 0


def clear_text(public: bytes, signed: Path) -> bytes | None:
    """What a clear-signed file says; None where it is not signed by this key."""
    with _home() as home:
        _gpg(home, ["--import"], public)
        done = _run(home, ["--decrypt", str(signed)], b"")
        return done.stdout if done.returncode == 0 else None


@contextmanager
def _home() -> Iterator[Path]:
    """A short path: the agent's socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder)
        finally:
            subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], capture_output=True, check=False)


def _run(home: Path, words: Sequence[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty", "--yes", "--pinentry-mode", "loopback"]
    return subprocess.run([*command, *words], input=stdin, capture_output=True, timeout=120, check=False)


def _gpg(home: Path, words: Sequence[str], stdin: bytes = b"") -> bytes:
    done = _run(home, words, stdin)
    if done.returncode:
        raise ArtifactError(
            "GnuPG failed",
            where=f"gpg {' '.join(word for word in words if word.startswith('--'))}",
            lines=done.stderr.decode(errors="replace").splitlines()[-5:],
            next_step="put right what the lines say and run the same command again",
        )
    return done.stdout
