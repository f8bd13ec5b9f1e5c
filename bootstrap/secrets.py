"""The environment's secrets: made once, kept as 0600 files in the state folder, never printed.

One value per file under `state/<env>/secrets/`. A value leaves this module only to be written to a
0600 file of the host that needs it, or to log in over verified TLS.
"""

from __future__ import annotations

import os
import re
import secrets as random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bootstrap import paths
from bootstrap.checks.finding import Finding
from bootstrap.errors import OperatorError, PreflightError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
GIVEN = "given-"  # names of secrets that an operator puts there; they are never made
_BYTES = 32  # of randomness; written as 64 hexadecimal digits, which survive every file format


class NotGivenError(PreflightError):
    """Secrets that only an operator can give are not as they must be; `findings` has each with its parts."""

    def __init__(self, folder: Path, findings: Sequence[Finding]) -> None:
        count = len(findings)
        super().__init__(
            f"{count} secret{'s' if count > 1 else ''} that only you can give must be put right first",
            where=str(folder),
            lines=[str(finding) for finding in findings],
            cause="they come from somebody else (a vendor's licence, say), so they are not generated",
            next_step="put them right, then run the same command again",
        )
        self.findings = tuple(findings)

    def as_json(self) -> dict[str, object]:
        """The facts, and every finding with its parts."""
        return {**super().as_json(), "findings": [finding.as_json() for finding in self.findings]}


class Secrets:
    """Values by name. Its repr shows no value, so a traceback or a log cannot either."""

    __slots__ = ("_folder",)

    def __init__(self, env: str) -> None:
        self._folder = paths.state_dir(env) / "secrets"
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def __repr__(self) -> str:
        return f"Secrets({len(self.names())} in {self._folder})"

    def names(self) -> tuple[str, ...]:
        """The secrets that exist."""
        return tuple(sorted(path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name)))

    def value(self, name: str) -> str:
        """The secret `name`, made if there is none. Two callers at once get the same value."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"'{name}' is no name for a secret: small letters, digits and hyphens only")
        path = self._folder / name
        self.require([name])
        try:
            value = path.read_text()
        except FileNotFoundError:
            self._make(name)
            value = path.read_text()
        if name.startswith(GIVEN):
            value = value.strip()
        if not value:
            raise OperatorError(
                f"the secret '{name}' is empty",
                where=str(path),
                cause="it was written by hand, or the file system lost it",
                next_step=f"remove {path} and run again: a new one is made and handed to the nodes",
            )
        return value

    def values(self, names: Iterable[str]) -> Mapping[str, str]:
        """Several at once."""
        return {name: self.value(name) for name in names}

    def require(self, names: Iterable[str]) -> None:
        """Raises NotGivenError with everything that is wrong with the given secrets among `names`."""
        findings = self.not_given(names)
        if findings:
            raise NotGivenError(self._folder, findings)

    def not_given(self, names: Iterable[str]) -> tuple[Finding, ...]:
        """What is wrong with the given secrets among `names`: absent, empty, or readable by others."""
        given = (name for name in sorted(set(names)) if name.startswith(GIVEN))
        return tuple(finding for name in given if (finding := _look_at(self._folder / name)))

    def _make(self, name: str) -> None:
        """Whole or not at all, and never over an existing one: written beside, then hard-linked into place."""
        draft = self._folder / f".{name}.{os.getpid()}.{random.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(random.token_hex(_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                (self._folder / name).hardlink_to(draft)
            except FileExistsError:
                return  # another process was first; its value stands
        finally:
            draft.unlink()


def _look_at(path: Path) -> Finding | None:
    """A given secret is there, says something, and is for its owner alone."""
    file, keys, put = str(path), (path.name,), f"(umask 077; cat >{path})"
    if not path.is_file():
        return Finding(file, keys, None, "is not there, and only you can give it", put)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding(file, keys, f"mode {mode:04o}", "can be read by others", f"chmod 600 {path}")
    if not path.read_text().strip():
        return Finding(file, keys, None, "is empty, and only you can give it", put)
    return None
