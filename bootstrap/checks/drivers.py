"""Rules about `driver`: which there are, which settings each takes, which may carry production."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bootstrap.checks.draft import Draft
from bootstrap.checks.fields import kind, plain
from bootstrap.checks.finding import Finding, unknown

# driver -> setting -> type of its value. One row per driver in bootstrap/drivers/.
DRIVERS: Mapping[str, Mapping[str, type]] = {
    "docker": {"base": str},
    "ssh": {"user": str, "port": int, "identity_file": str, "known_hosts": str},
    "vagrant": {"box": str, "provider": str, "memory": int, "cpus": int},
}
LAB_DRIVERS = ("docker", "vagrant")  # their machines are made to be thrown away


def driver(draft: Draft) -> Iterator[Finding]:
    """A driver that exists, with settings that it has."""
    if draft.driver is None:
        return
    if draft.driver not in DRIVERS:
        yield unknown(draft.file, ("driver", "name"), draft.driver, "driver", DRIVERS)
        return
    known = DRIVERS[draft.driver]
    for key, value in draft.driver_settings.items():
        keys = ("driver", key)
        if key not in known:
            yield unknown(draft.file, keys, key, f"setting of driver {draft.driver}", known, value)
        elif not isinstance(value, known[key]) or isinstance(value, bool):
            wanted = kind(known[key]())
            fix = f'put quotes around it: "{plain(value)}"' if known[key] is str else "write a number without quotes"
            yield draft.finding(keys, value, f"must be {wanted}, not {kind(value)}", fix)
        elif key == "port" and not 1 <= int(value) <= 65535:
            yield draft.finding(keys, value, "not a port from 1 to 65535", "write port: 22, or where sshd listens")


def production(draft: Draft) -> Iterator[Finding]:
    """Throwaway machines carry no production."""
    if draft.production and draft.driver in LAB_DRIVERS:
        yield draft.finding(
            ("driver", "name"),
            draft.driver,
            f"driver {draft.driver} makes lab machines, and production is true",
            "use driver ssh, or write production: false",
        )
