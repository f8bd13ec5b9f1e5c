"""Services of a node that must run what was put there: restarted when their files are not those they started with."""

from __future__ import annotations

from collections.abc import Mapping

_MARKS = "/run/utopia"  # gone after a boot, when the services start with what is there


def ensure(services: Mapping[str, str]) -> str:
    """A script (service -> hash of its files) that enables, and starts or restarts, where needed.

    It may be cut off anywhere and repeated: the mark is written after the restart. What was started is
    printed as "started NAME".
    """
    lines = [f"mkdir -p {_MARKS}", "stale="]
    for name, mark in services.items():
        lines.append(
            f'if [ "$(cat {_MARKS}/{name} 2>/dev/null || true)" != {mark} ] || ! systemctl is-active -q {name}; then\n'
            f'  stale="$stale {name}"\nfi'
        )
    marks = "; ".join(f"case $name in {name}) echo {mark} >{_MARKS}/{name} ;; esac" for name, mark in services.items())
    lines += [
        'if [ -n "$stale" ]; then',
        "  systemctl enable --quiet $stale",  # reads the units anew as well
        "  systemctl restart $stale",
        f'  for name in $stale; do {marks}; echo "started $name"; done',
        "fi",
    ]
    return "\n".join(lines) + "\n"


def started_of(output: str) -> tuple[str, ...]:
    """The services that a script of `ensure` says it started."""
    return tuple(line.removeprefix("started ") for line in output.splitlines() if line.startswith("started "))
