"""What an operator is told when SSH to a machine does not work, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import paramiko

from bootstrap import known_hosts
from bootstrap.errors import HostKeyError, OperatorError, SudoError, UnreachableError
from bootstrap.model import Machine


def where(machine: Machine) -> str:
    """Who is asked, and where."""
    return f"node {machine.node}, {machine.user}@{machine.address}:{machine.port}"


def no_key(machine: Machine, known: Path) -> HostKeyError:
    """Nobody vouched for the machine."""
    return HostKeyError(
        f"no host key is recorded for {machine.node}",
        where=where(machine),
        lines=[f"looked for {known_hosts.lookup_name(machine)} in {known}"],
        cause="the host was never confirmed, and an unknown host is never trusted",
        next_step="run the 'machines' phase, which records the keys (bootstrap cluster --only machines)",
    )


def wrong_key(machine: Machine, error: paramiko.BadHostKeyException, known: Path) -> HostKeyError:
    """The machine is another one than the one that was recorded, or was made anew."""
    offered, recorded = (f"{key.get_name()} {key.get_base64()}" for key in (error.key, error.expected_key))
    return HostKeyError(
        f"{machine.node} answers with another host key than the recorded one",
        where=where(machine),
        lines=[
            f"recorded: {known_hosts.fingerprint(recorded)}",
            f"offered:  {known_hosts.fingerprint(offered)}",
            f"file:     {known}",
        ],
        cause="the machine was made anew, its address went to another machine, or someone is in between",
        next_step="compare `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its console; "
        f"if the machine was replaced, remove its lines from {known} and run the 'machines' phase",
    )


def lost(machine: Machine, error: Exception) -> OperatorError:
    """The connection could not be made, or was lost."""
    if isinstance(error, OperatorError):
        return error
    if isinstance(error, paramiko.AuthenticationException):
        return _denied(machine, error)
    behind = f" through {machine.through.node}" if machine.through else ""
    return UnreachableError(
        f"{machine.node} does not answer over SSH",
        where=where(machine) + behind,
        lines=[str(error) or type(error).__name__],
        cause="the machine is down, its sshd is, or the network between is",
        next_step="start it and run the same command again; `bootstrap nodes` lists the addresses",
    )


def no_way(machine: Machine, error: paramiko.ChannelException) -> UnreachableError:
    """The jump host answers, and cannot or may not connect to the machine."""
    assert machine.through  # noqa: S101 - only those have a jump host to fail
    forbidden = error.code == 1
    return UnreachableError(
        f"{machine.node} cannot be reached through the jump host {machine.through.address}",
        where=f"{where(machine)} through {where(machine.through)}",
        lines=[error.text],
        cause="the jump host's sshd forbids forwarding (AllowTcpForwarding, PermitOpen)"
        if forbidden
        else "the machine is down, nothing listens on that port, or the jump host has no route to it",
        next_step=f"on the jump host: nc -z {machine.address} {machine.port}",
    )


def no_root(machine: Machine, status: int, lines: Sequence[str]) -> OperatorError:
    """sudo said no; what it says tells why."""
    said = " ".join(lines)
    cause, step = "see the lines above", f"log in as {machine.user} and try `sudo true`"
    if machine.user == "root":
        cause, step = "commands cannot be run there at all", "log in by hand and look"
    elif status == 127:
        cause, step = "sudo is not installed there", "as root: apt-get install sudo; or let us in as root"
    elif "must have a tty" in said:
        cause, step = "sudo is set to work at a terminal only", f"visudo: Defaults:{machine.user} !requiretty"
    elif "not in the sudoers" in said or "may not run sudo" in said or "is not allowed to" in said:
        cause, step = f"{machine.user} is not in the sudoers", f"as root: adduser {machine.user} sudo"
    elif machine.sudo_password and ("incorrect password" in said or "Sorry, try again" in said):
        cause, step = f"the password from {machine.sudo_password} is not that of {machine.user} there", "correct it"
    elif "password is required" in said:
        cause = "sudo asks for a password, and the topology names none"
        step = (
            f"write driver.hosts.{machine.node}.sudo_password (a file of mode 0600, or ask), or allow NOPASSWD for"
            f" {machine.user}"
        )
    return SudoError(
        f"{machine.user} cannot become root on {machine.node}",
        where=where(machine),
        lines=[line for line in lines if "We trust you have received" not in line],
        cause=cause,
        next_step=step,
    )


def _denied(machine: Machine, error: Exception) -> UnreachableError:
    offered = machine.key or ("those of the agent and of ~/.ssh" if machine.agent else "the environment's own key")
    locked = isinstance(error, paramiko.PasswordRequiredException)
    return UnreachableError(
        f"{machine.node} refused our SSH key",
        where=where(machine),
        lines=[str(error) or type(error).__name__, f"offered: {offered}"],
        cause="the private key is locked by a passphrase"
        if locked
        else f"the public key is not in the authorized_keys of {machine.user}",
        next_step="ssh-add it, and write driver.agent: true"
        if locked
        else f"put it there (ssh-copy-id {machine.user}@{machine.address}), or name another key or user",
    )
