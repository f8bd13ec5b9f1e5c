"""Rules about `driver`: which there are, which settings each takes, which may carry production."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bootstrap.checks import ssh_driver
from bootstrap.checks.draft import Draft
from bootstrap.checks.fields import kind, plain
from bootstrap.checks.finding import Finding, Keys, unknown
from bootstrap.model import LAB_DRIVERS, VAGRANT_PROVIDERS, is_lab

# driver -> setting -> type of its value. One row per driver in bootstrap/drivers/.
DRIVERS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "docker": {
        "base": (str,),
        "image_of": (str,),
        "memory": (str, int),
        "cpus": (str, int, float),
        "publish": (dict,),
    },
    "vagrant": {
        "provider": (str,),
        "box": (str,),
        "image_of": (str,),
        "memory": (int,),
        "cpus": (int,),
        "publish": (dict,),
    },
    "ssh": ssh_driver.SETTINGS,
}


def driver(draft: Draft) -> Iterator[Finding]:
    """A driver that exists, with settings that it has."""
    if draft.driver is None:
        return
    if draft.driver not in DRIVERS:
        yield unknown(draft.file, ("driver", "name"), draft.driver, DRIVERS, kind="driver")
        return
    known = DRIVERS[draft.driver]
    for key, value in draft.driver_settings.items():
        keys: Keys = ("driver", key)
        if key not in known:
            yield unknown(draft.file, keys, key, known, kind="setting", of=f"driver {draft.driver}")
        elif not isinstance(value, known[key]) or (isinstance(value, bool) and bool not in known[key]):
            wanted = kind(known[key][0]())
            yield draft.finding(keys, value, f"must be {wanted}, not {kind(value)}", _fix(known[key][0], value))
        elif key == "publish" and isinstance(value, Mapping):
            yield from _publish(draft, value)
        elif key == "provider" and value not in VAGRANT_PROVIDERS:
            yield unknown(draft.file, keys, str(value), VAGRANT_PROVIDERS, kind="provider", of="driver vagrant")
        elif key == "port" and isinstance(value, int) and not 1 <= value <= 65535:
            yield draft.finding(keys, value, "not a port from 1 to 65535", "write port: 22, or where sshd listens")
    if draft.driver == "ssh":
        yield from ssh_driver.findings(draft)


def _publish(draft: Draft, published: Mapping[str, Any]) -> Iterator[Finding]:
    """node -> list of port mappings, as `docker run --publish` takes them; on loopback, the lab is not for others."""
    names = [name for entry in draft.entries for name in entry.names]
    for node, mappings in published.items():
        keys: Keys = ("driver", "publish", str(node))
        if node not in names:
            yield unknown(draft.file, keys, str(node), names, kind="node")
        elif not isinstance(mappings, list) or not all(_is_mapping(text) for text in mappings):
            yield draft.finding(keys, mappings, "must be a list of mappings to loopback", 'write ["127.0.0.1:8080:80"]')


def _is_mapping(text: object) -> bool:
    return isinstance(text, str) and bool(re.fullmatch(r"127\.0\.0\.1:[0-9]{0,5}:[0-9]{1,5}(/tcp|/udp)?", text))


def _fix(wanted: type, value: object) -> str:
    if wanted in ssh_driver.FIXES and wanted is not dict:
        return ssh_driver.FIXES[wanted]
    if wanted is str:
        return f'put quotes around it: "{plain(value)}"'
    return "write a number without quotes" if wanted is int else 'write publish: {edge-1: ["127.0.0.1:8080:80"]}'


def production(draft: Draft) -> Iterator[Finding]:
    """Throwaway machines carry no production."""
    if draft.production and draft.driver == "ssh" and is_lab(draft.driver, draft.driver_settings):
        yield draft.finding(
            ("driver", "lab"),
            True,
            "hosts that share a kernel are for the lab, and production is true",
            "remove it",
        )
    if draft.production and draft.driver in LAB_DRIVERS:
        yield draft.finding(
            ("driver", "name"),
            draft.driver,
            f"driver {draft.driver} makes lab machines, and production is true",
            "use driver ssh, or write production: false",
        )
