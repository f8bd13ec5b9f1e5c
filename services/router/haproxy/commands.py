"""Steps of a change -> lines of HAProxy's command line, and what their answers mean. Pure."""

from __future__ import annotations

from services.router.haproxy.layout import Claim, Drain, Fill, Put, Remove, Revive, Step
from services.router.haproxy.runtime import RefusedError, command

# `set server addr` says on success what it did; everything else says nothing.
SUCCESS = ("IP changed", "port changed", "no need to change", "nothing changed")


def of(step: Step, maps_dir: str) -> list[str]:
    """The lines that take the step. Raises ValueError for names that cannot be sent."""
    match step:
        case Claim():
            return []
        case Fill():
            name = f"{step.section}/{step.slot}"
            return [
                command("set", "server", name, "addr", step.server.address, "port", step.server.port),
                command("set", "server", name, "state", "ready"),
            ]
        case Revive():
            return [command("set", "server", f"{step.section}/{step.slot}", "state", "ready")]
        case Drain():
            # A draining server still serves clients that hold its cookie; one in maintenance ends what it has.
            state = "maint" if step.sticky else "drain"
            return [command("set", "server", f"{step.section}/{step.slot}", "state", state)]
        case Put():
            verb = "set" if step.exists else "add"
            return [command(verb, "map", f"{maps_dir}/{step.map}.map", step.key, step.value)]
        case Remove():
            return [command("del", "map", f"{maps_dir}/{step.map}.map", step.key)]


def maintenance(section: str, slot: str) -> str:
    """The line that ends a drained slot."""
    return command("set", "server", f"{section}/{slot}", "state", "maint")


def check(line: str, answer: str) -> None:
    """Raises RefusedError unless the answer means success."""
    if answer and not answer.startswith(SUCCESS):
        raise RefusedError(f"{line}: {answer}")
