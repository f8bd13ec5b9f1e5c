"""What nodes hold: JSON, packed when it is long, in several parts when one node is too small for it."""

from __future__ import annotations

import uuid
import zlib
from dataclasses import fields
from typing import Any

import orjson

from services.scheduler.instances.instance import Condition, Instance
from services.scheduler.storage.writer import StorageError

PACK_ABOVE = 16_384  # bytes; below it the nodes stay readable by people
_INSTANCE_FIELDS = tuple(item.name for item in fields(Instance))
_TUPLES = ("host_ports", "ip_addresses")


def pack(document: Any) -> bytes:
    """JSON; packed (it begins with an `x`) if long."""
    data = orjson.dumps(document)
    return zlib.compress(data, 1) if len(data) > PACK_ABOVE else data


def unpack(data: bytes) -> Any:
    """What `pack` made. Raises StorageError."""
    try:
        return orjson.loads(zlib.decompress(data) if data[:1] == b"x" else data)
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise StorageError(f"a node holds what is no document: {error}") from error


def split(document: Any, folder: str, limit: int) -> tuple[bytes, dict[str, bytes]]:
    """The data of a node, and of further nodes in `folder` if it is longer than `limit` bytes."""
    data = pack(document)
    if len(data) <= limit:
        return data, {}
    token = uuid.uuid4().hex
    chunks = [data[start : start + limit] for start in range(0, len(data), limit)]
    parts = {f"{folder}/{token}-{number:04d}": chunk for number, chunk in enumerate(chunks)}
    return orjson.dumps({"parts": [path.rpartition("/")[2] for path in parts]}), parts


def part_names(data: bytes) -> list[str]:
    """The parts that a node's data refers to; [] if it is the document itself."""
    if not data.startswith(b'{"parts":'):
        return []
    return list(orjson.loads(data)["parts"])


def from_instance(instance: Instance) -> dict[str, Any]:
    """All fields, by name."""
    return {name: getattr(instance, name) for name in _INSTANCE_FIELDS}


def to_instance(document: dict[str, Any]) -> Instance:
    """Fields of later releases are left out. Raises StorageError."""
    known = {name: value for name, value in document.items() if name in _INSTANCE_FIELDS}
    try:
        known["condition"] = Condition(known["condition"])
        for name in _TUPLES:
            known[name] = tuple(known.get(name, ()))
        return Instance(**known)
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(f"an instance that cannot be read: {error}") from error
