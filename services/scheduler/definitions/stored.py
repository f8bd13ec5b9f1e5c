"""The form in which applications and groups are kept: exact, compact, read without checks.

Keys are field names of `App`; fields that have their default are left out. A default may therefore never change
between releases: the meaning of what is kept would change with it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from services.scheduler.definitions.app import (
    App,
    Constraint,
    Container,
    Fetch,
    HealthCheck,
    Network,
    PortDefinition,
    PortMapping,
    ReadinessCheck,
    UnreachableStrategy,
    UpgradeStrategy,
    Volume,
)
from services.scheduler.definitions.group import NO_VERSION, Group
from services.scheduler.definitions.paths import chain, parent

Document = dict[str, Any]


class _Codec(NamedTuple):
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _record(kind: type[Any], **fields: _Codec) -> _Codec:
    """A dataclass; `fields` are the ones that JSON does not hold as they are."""
    defaults = [(field.name, _default(field)) for field in dataclasses.fields(kind)]
    decoders = [(name, codec.decode) for name, codec in fields.items()]

    def encode(value: Any) -> Document:
        document = {}
        for name, default in defaults:
            item = getattr(value, name)
            if item != default:
                document[name] = fields[name].encode(item) if name in fields else item
        return document

    def decode(document: Mapping[str, Any]) -> Any:
        values = dict(document)
        for name, convert in decoders:
            if name in values:
                values[name] = convert(values[name])
        return kind(**values)

    return _Codec(encode, decode)


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _many(codec: _Codec) -> _Codec:
    return _Codec(
        lambda items: [codec.encode(item) for item in items],
        lambda items: tuple([codec.decode(item) for item in items]),
    )


def _optional(codec: _Codec) -> _Codec:
    return _Codec(
        lambda item: None if item is None else codec.encode(item),
        lambda item: None if item is None else codec.decode(item),
    )


_TUPLE = _Codec(list, tuple)
_LIMIT = _Codec(
    lambda limit: "unlimited" if limit == math.inf else limit,  # JSON has no infinity
    lambda limit: math.inf if limit == "unlimited" else limit,
)
_APP = _record(
    App,
    args=_TUPLE,
    accepted_resource_roles=_TUPLE,
    dependencies=_TUPLE,
    cpus_limit=_LIMIT,
    mem_limit=_LIMIT,
    constraints=_many(_record(Constraint)),
    networks=_many(_record(Network)),
    port_definitions=_many(_record(PortDefinition)),
    container=_optional(
        _record(
            Container,
            parameters=_many(_TUPLE),
            port_mappings=_many(_record(PortMapping, network_names=_TUPLE)),
            volumes=_many(_record(Volume)),
        )
    ),
    fetch=_many(_record(Fetch)),
    health_checks=_many(_record(HealthCheck)),
    readiness_checks=_many(_record(ReadinessCheck, http_status_codes_for_ready=_TUPLE)),
    upgrade_strategy=_record(UpgradeStrategy),
    unreachable_strategy=_optional(_record(UnreachableStrategy)),
)


def encode(app: App) -> Document:
    """A JSON document of everything in the application."""
    document: Document = _APP.encode(app)
    return document


def decode(document: Mapping[str, Any]) -> App:
    """The application that `encode` was given. Raises TypeError or KeyError for anything else."""
    app: App = _APP.decode(document)
    return app


def encode_groups(root: Group) -> list[Document]:
    """Every group of the tree by itself, without its applications."""
    return [
        {
            "id": group.id,
            "version": group.version,
            "dependencies": list(group.dependencies),
            "enforce_role": group.enforce_role,
        }
        for group in root.transitive_groups()
    ]


def decode_tree(groups: Iterable[Mapping[str, Any]], apps: Iterable[App]) -> Group:
    """The tree of what `encode_groups` gave and of the applications. Groups that are missing are made."""
    kept = {document["id"]: document for document in groups}
    own: dict[str, dict[str, App]] = {}
    for app in apps:
        own.setdefault(parent(app.id), {})[app.id] = app
    names = {step for name in (*kept, *own) for step in chain(name)}
    children: dict[str, list[str]] = {}
    for name in sorted(names):
        children.setdefault(parent(name), []).append(name)

    def made(name: str) -> Group:
        document = kept.get(name, {})
        members = own.get(name, {})
        below = {child: made(child) for child in children.get(name, ())}
        versions = [app.version for app in members.values()] + [group.version for group in below.values()]
        return Group(
            name,
            members,
            below,
            tuple(document.get("dependencies", ())),
            document.get("enforce_role", False),
            document.get("version") or max(versions, default=NO_VERSION),
        )

    return made("/")
