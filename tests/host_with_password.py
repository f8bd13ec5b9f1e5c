"""A Testinfra host on which sudo asks for a password: it goes over standard input, never into a command."""

from __future__ import annotations

import shlex
import subprocess

from testinfra.backend.base import CommandResult
from testinfra.backend.ssh import SshBackend
from testinfra.host import Host

from bootstrap import sudo_password


class _Backend(SshBackend):
    password_source = ""

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        words = list(sudo_password.AS_ROOT)
        if sudo_user is not None:
            words[1:1] = ["-u", sudo_user]
        return shlex.join([*words, "/bin/sh", "-c", command])

    def run_local(self, command: str, *args: str) -> CommandResult:
        words = self.encode(self.quote(command, *args))
        given = sudo_password.before_input(self.password_source)
        done = subprocess.run(words, shell=True, input=given, capture_output=True, check=False)
        return self.result(done.returncode, words, done.stdout, done.stderr)


def of(host: Host, source: str) -> Host:
    """The same host; `source` says where the password comes from."""
    host.backend.__class__ = _Backend
    host.backend.password_source = source
    return host
