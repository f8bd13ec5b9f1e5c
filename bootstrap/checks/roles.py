"""The role table: roles.yaml -> Role objects, and the rules it has to keep itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bootstrap.checks.fields import Fields
from bootstrap.checks.finding import Finding, Keys, unknown
from bootstrap.model import ADMIN_ROLE, BASE_ROLE, CALLERS, Addition, Page, Port, Provider, Requirements, Role

_ROW = (
    "summary",
    "components",
    "needs",
    "after",
    "beside",
    "counts",
    "ports",
    "callers",
    "probe",
    "restart",
    "secrets",
    "artifacts",
    "pages",
    "certificate",
    "requires",
    "providers",
)
_PROVIDER = ("components", "restart", "secrets", "artifacts", "with", "lab")
_REQUIRES = ("memory", "disk", "data", "run", "modules", "map_count", "open_files", "swap")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_PORT = re.compile(r"([0-9]{1,5})/(tcp|udp)")
_AT_ONCE = re.compile(r"[1-9][0-9]*|([1-9]|[1-9][0-9]|100)%")


def read(file: str, data: Any, findings: list[Finding]) -> dict[str, Role]:
    """Every row that can be understood, and findings for the rest."""
    top = Fields(file, (), data, findings, fix="write roles: and a row per role below it")
    top.only("roles")
    rows = top.section("roles")
    fields = {name: Fields(file, ("roles", name), raw, findings) for name, raw in rows.items()}
    return {name: _role(name, row) for name, row in fields.items() if row.understood}


def check(file: str, roles: Mapping[str, Role], has_component: Callable[[str], bool]) -> Iterator[Finding]:
    """What holds between rows, and between a row and salt/. `has_component`: whether salt/<name> is there."""
    for needed in (BASE_ROLE, ADMIN_ROLE):
        if needed not in roles:
            yield Finding(file, ("roles",), None, f"there is no role {needed}", f"add the row {needed}")
    for name, role in roles.items():
        for keys, other in _others(role):
            if other not in roles:
                yield unknown(file, keys, other, [row for row in roles if row != name], kind="role")
        for port, callers in role.callers.items():
            for other in callers:
                if other not in roles and other not in CALLERS:
                    yield unknown(file, ("roles", name, "callers", port), other, [*CALLERS, *roles], kind="caller")
        for keys, component in _components(role):
            if not has_component(component):
                text = f"there is no folder salt/{component}"
                yield Finding(file, keys, component, text, "correct the name, or add the folder")
    yield from _cycles(file, roles)


def _others(role: Role) -> Iterator[tuple[Keys, str]]:
    """Every other role that the row names, but for callers, and where it does."""
    for key in ("needs", "after", "beside"):
        yield from ((("roles", role.name, key), other) for other in getattr(role, key))
    for provider in role.providers:
        keys = ("roles", role.name, "providers", provider.name, "with")
        yield from ((keys, addition.role) for addition in provider.additions)


def _components(role: Role) -> Iterator[tuple[Keys, str]]:
    """Every component that the row names, and where it does."""
    yield from ((("roles", role.name, "components"), component) for component in role.components)
    for provider in role.providers:
        keys = ("roles", role.name, "providers", provider.name)
        yield from (((*keys, "components"), component) for component in provider.components)
        for addition in provider.additions:
            yield from (((*keys, "with", addition.role, "components"), component) for component in addition.components)


def _cycles(file: str, roles: Mapping[str, Role]) -> Iterator[Finding]:
    """Roles that wait for each other: no phase could be first."""
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> Iterator[Finding]:
        if name in way:
            circle = (*way[way.index(name) :], name)
            yield Finding(
                file,
                ("roles", name, "needs"),
                None,
                f"roles that need each other: {' -> '.join(circle)}",
                "take one of these needs away",
            )
        elif name not in done and name in roles:
            for other in roles[name].before:
                yield from walk(other, (*way, name))
            done.add(name)

    for name in roles:
        yield from walk(name, ())


def _role(name: str, fields: Fields) -> Role:
    fields.only(*_ROW)
    if not _NAME.fullmatch(name):
        fields.add("", None, f"not a name for a role: {name}", "lower-case letters, digits and hyphens, a letter first")
    components = fields.texts("components")
    providers = tuple(_providers(fields))
    alone = not providers or not all(provider.components for provider in providers)
    if not components and not fields.raw.get("components") and alone:
        fields.add("components", None, "a role without components does nothing", "add components: [...]")
    ports = tuple(_ports(fields))
    return Role(
        name=name,
        summary=fields.text("summary", required="say in a few words what the role is for") or "",
        components=components,
        needs=fields.texts("needs"),
        after=fields.texts("after"),
        beside=fields.texts("beside"),
        counts=tuple(_counts(fields)),
        ports=ports,
        callers=dict(_callers(fields, {port.name for port in ports})),
        probe=fields.text("probe"),
        restart=dict(_restart(fields)),
        secrets=fields.texts("secrets"),
        providers=providers,
        artifacts=fields.texts("artifacts"),
        pages=tuple(_pages(fields, {port.name: port for port in ports})),
        names=fields.texts("certificate"),
        requires=_requires(fields),
    )


def _requires(fields: Fields) -> Requirements:
    own = Fields(fields.file, (*fields.keys, "requires"), fields.raw.get("requires") or {}, fields.findings)
    own.only(*_REQUIRES)
    disk = Fields(own.file, (*own.keys, "disk"), own.section("disk"), own.findings)
    return Requirements(
        memory=own.whole("memory") or 0,
        disk={path: disk.whole(path) or 0 for path in disk.raw},
        data=own.texts("data"),
        run=own.texts("run"),
        modules=own.texts("modules"),
        map_count=own.whole("map_count") or 0,
        open_files=own.whole("open_files") or 0,
        swap=own.flag("swap") if "swap" in own.raw else True,
    )


def _providers(fields: Fields) -> Iterator[Provider]:
    """A list of names, or a mapping with what each adds to the row."""
    if not isinstance(fields.raw.get("providers"), Mapping):
        yield from (Provider(name) for name in fields.texts("providers"))
        return
    for name, raw in fields.section("providers").items():
        own = Fields(fields.file, (*fields.keys, "providers", name), raw, fields.findings)
        own.only(*_PROVIDER)
        yield Provider(
            name=name,
            components=own.texts("components"),
            restart=dict(_restart(own)),
            secrets=own.texts("secrets"),
            artifacts=own.texts("artifacts"),
            additions=tuple(_additions(own)),
            lab=own.flag("lab"),
        )


def _additions(fields: Fields) -> Iterator[Addition]:
    for role, raw in fields.section("with").items():
        own = Fields(fields.file, (*fields.keys, "with", role), raw, fields.findings)
        own.only("components", "restart")
        components = own.texts("components")
        if not components:
            own.add("components", None, f"adds nothing beside {role}", "add components: [...]")
        yield Addition(role, components, dict(_restart(own)))


def _counts(fields: Fields) -> Iterator[int]:
    value = fields.raw.get("counts")
    if value is None:
        return
    if not isinstance(value, list) or not value or not all(type(item) is int and item > 0 for item in value):
        fields.add("counts", value, "must be a list of whole numbers above 0", "write [1, 3, 5], or leave it out")
        return
    yield from sorted(value)


def _ports(fields: Fields) -> Iterator[Port]:
    for name, text in fields.section("ports").items():
        match = _PORT.fullmatch(text) if isinstance(text, str) else None
        if match and 1 <= int(match[1]) <= 65535:
            yield Port(name, int(match[1]), match[2])
        else:
            example = f"{text}/tcp" if type(text) is int else "2181/tcp"
            Fields(fields.file, (*fields.keys, "ports"), {}, fields.findings).add(
                name, text, "not a port", f"write number/protocol, such as {example}"
            )


def _callers(fields: Fields, ports: set[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    own = Fields(fields.file, (*fields.keys, "callers"), fields.section("callers"), fields.findings)
    for port in own.raw:
        if port not in ports:
            own.findings.append(unknown(own.file, (*own.keys, port), port, ports, kind="port", of="this role"))
        else:
            yield port, own.texts(port)


def _restart(fields: Fields) -> Iterator[tuple[str, str]]:
    for service, at_once in fields.section("restart").items():
        if isinstance(at_once, str) and _AT_ONCE.fullmatch(at_once):
            yield service, at_once
        else:
            Fields(fields.file, (*fields.keys, "restart"), {}, fields.findings).add(
                service, at_once, "not a number of nodes", 'write "1", or a share such as "10%", with quotes'
            )


def _pages(fields: Fields, ports: Mapping[str, Port]) -> Iterator[Page]:
    for name, raw in fields.section("pages").items():
        page = Fields(fields.file, (*fields.keys, "pages", name), raw, fields.findings)
        page.only("port", "scheme", "path", "user", "secret")
        port = page.text("port", required="name one of the role's ports")
        if port is None:
            continue
        if port not in ports:
            page.findings.append(unknown(page.file, (*page.keys, "port"), port, ports, kind="port", of="this role"))
            continue
        yield Page(
            name=name,
            port=ports[port].number,
            scheme=page.text("scheme") or "http",
            path=page.text("path") or "/",
            user=page.text("user") or "",
            secret=page.text("secret") or "",
        )
