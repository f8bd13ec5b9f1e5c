"""Errors an operator can expect, and the exit status each kind ends with.

An `OperatorError` carries everything its reader needs: what failed, where, the last lines that
matter, the likely cause and the next command. `report.py` prints it; nothing else formats it.
Anything that is not an `OperatorError` is a defect and keeps its traceback.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence


class ExitStatus(enum.IntEnum):
    """Exit statuses of `bootstrap`; docs/errors.md is the catalogue."""

    OK = 0
    DEFECT = 1
    USAGE = 2
    INVALID = 3
    PREFLIGHT = 4
    ENGINE = 5
    MACHINES = 6
    UNREACHABLE = 7
    HOST_KEY = 8
    ARTIFACT = 9
    SALT = 10
    STATE = 11
    NOT_READY = 12
    VERIFY = 13
    UNHEALTHY = 14
    BUSY = 15
    DISK_FULL = 16
    SUDO = 17
    BACKUP = 18
    INTERRUPTED = 130


class OperatorError(Exception):
    """An expected failure. Subclasses fix `status`; the message is built here, once."""

    status = ExitStatus.DEFECT

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        lines: Sequence[str] = (),
        cause: str = "",
        next_step: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.lines = tuple(lines)
        self.cause = cause
        self.next_step = next_step

    def as_json(self) -> dict[str, object]:
        """The same facts for `--json` and the journal."""
        return {
            "error": type(self).__name__,
            "status": int(self.status),
            "what": self.what,
            "where": self.where,
            "lines": list(self.lines),
            "cause": self.cause,
            "next": self.next_step,
        }


class UsageError(OperatorError):
    """The command line asks for something that does not exist."""

    status = ExitStatus.USAGE


class InvalidTopologyError(OperatorError):
    """A file under pillar/ is wrong; `lines` holds every finding, not the first."""

    status = ExitStatus.INVALID


class PreflightError(OperatorError):
    """A machine cannot carry what the plan puts on it."""

    status = ExitStatus.PREFLIGHT


class EngineError(OperatorError):
    """There is no Docker engine, and we may not or could not start one."""

    status = ExitStatus.ENGINE


class MachinesError(OperatorError):
    """The driver could not make, find or remove a machine."""

    status = ExitStatus.MACHINES


class UnreachableError(OperatorError):
    """A node does not answer over SSH."""

    status = ExitStatus.UNREACHABLE


class HostKeyError(UnreachableError):
    """A node answers with a host key that is not the recorded one."""

    status = ExitStatus.HOST_KEY


class SudoError(UnreachableError):
    """We get in, and cannot become root there."""

    status = ExitStatus.SUDO


class ArtifactError(OperatorError):
    """An artifact could not be had, or is not what its checksum says."""

    status = ExitStatus.ARTIFACT


class SaltError(OperatorError):
    """The Salt master, its API or a minion did not do its part (not: a state failed)."""

    status = ExitStatus.SALT


class StateFailedError(OperatorError):
    """A Salt state ended with `result: false` on at least one node."""

    status = ExitStatus.STATE


class NotReadyError(OperatorError):
    """A service did not become ready within its bound."""

    status = ExitStatus.NOT_READY


class VerifyError(OperatorError):
    """Testinfra's verdict is no."""

    status = ExitStatus.VERIFY


class BusyError(OperatorError):
    """Another run holds this environment."""

    status = ExitStatus.BUSY


class DiskFullError(OperatorError):
    """A file system we write to has no room left."""

    status = ExitStatus.DISK_FULL


class BackupError(OperatorError):
    """A backup could not be taken, or is not what it should be."""

    status = ExitStatus.BACKUP
