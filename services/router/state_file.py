"""What the router knew last, on disk: with it, it works after its own restart without Marathon and ZooKeeper."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from services.router.haproxy import atomic
from services.router.haproxy.model import Acl, Layout, Listener, Maps, Section, Server, Shape, Slot
from services.router.rules.codec import Rule

log = logging.getLogger(__name__)

VERSION = 1


@dataclass
class State:
    """`documents`: applications as kept by the view; `read_at`: Unix seconds of that view."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    read_at: float | None = None
    rules: dict[str, Rule] = field(default_factory=dict)
    layout: Layout | None = None


def encode(
    documents: Mapping[str, Any],
    read_at: float | None,
    rules: Mapping[str, Rule],
    layout: Layout | None,
) -> bytes:
    """The bytes to write with `write`: made in the loop, where nothing changes meanwhile."""
    return orjson.dumps(
        {
            "version": VERSION,
            "read_at": read_at,
            "apps": documents,
            "rules": {app: dict(rule.config) for app, rule in rules.items()},
            "layout": layout,
        }
    )


def write(path: str, data: bytes) -> None:
    """Replace the file; only its owner can read it: environments hold secrets. Raises OSError."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, data, mode=0o600, durable=True)


def load(path: str) -> State:
    """What was saved; an empty state when there is no file, or none that is understood."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return State()
    except OSError as error:
        log.warning("%s: %s; starting without it", path, error)
        return State()
    try:
        document = orjson.loads(data)
        if document["version"] != VERSION:
            log.warning("%s is of version %s; starting without it", path, document["version"])
            return State()
        return State(
            documents=document["apps"],
            read_at=document["read_at"],
            rules={app: Rule(app, config) for app, config in document["rules"].items()},
            layout=_layout(document["layout"]) if document["layout"] else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("%s is not understood (%r); starting without it", path, error)
        return State()


def _layout(found: Mapping[str, Any]) -> Layout:
    return Layout(
        sections={name: _section(section) for name, section in found["sections"].items()},
        claims=dict(found["claims"]),
        maps=Maps(**found["maps"]),
        acls=tuple(Acl(**acl) for acl in found["acls"]),
        listeners=tuple(Listener(**listener) for listener in found["listeners"]),
        certificates=found["certificates"],
    )


def _section(found: Mapping[str, Any]) -> Section:
    slots = []
    for slot in found["slots"]:
        server = Server(**slot["server"]) if slot["server"] else None
        # A deadline of another process's clock says nothing; what drained is ended at the next look.
        slots.append(Slot(slot["name"], server, slot["state"], 0.0))
    return Section(found["name"], Shape(**found["shape"]), slots, found["wanted"], found["app"], found["spare"])
