"""Applications, rules and labels -> what HAProxy is wanted to do, and what is wrong with whose rule. Pure.

Who is first when several fit: host with path, host, rules in the order of their applications' ids, the default path.
Of two applications that claim the same, the first by id has it and the other one is told.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from services.router.haproxy.model import NAME, Acl, Backend, Listener, Maps, Mode, Server, Shape, Wanted
from services.router.marathon.view import App
from services.router.rules import acl, labels
from services.router.rules.codec import Rule
from services.router.settings import Settings

APP_ID = re.compile(r"(/[a-z0-9][a-z0-9.-]*)+|/")


@dataclass(frozen=True, slots=True)
class Problem:
    """`source`: "rule", "labels", "app", "task", "certificate" or "haproxy"."""

    app: str
    source: str
    message: str


@dataclass(slots=True)
class Routes:
    """The outcome. `names`: how an application is reached, for people."""

    wanted: Wanted
    problems: list[Problem]
    names: dict[str, list[str]] = field(default_factory=dict)


class _Builder:
    def __init__(self, settings: Settings, server: Callable[[App, int], tuple[Server, ...]]) -> None:
        self.settings = settings
        self.server = server
        self.backends: dict[str, Backend] = {}
        self.hosts: dict[str, str] = {}
        self.paths: dict[str, str] = {}
        self.prefixes: dict[str, str] = {}
        self.acls: list[Acl] = []
        self.listeners: dict[int, Listener] = {}
        self.problems: list[Problem] = []
        self.names: dict[str, list[str]] = {}
        self.parsed: dict[str, acl.Parsed] = {}

    def problem(self, app: str, source: str, message: str) -> None:
        self.problems.append(Problem(app, source, message))

    def backend(self, app: App, index: int, shape: Shape) -> str:
        """The backend of the port; other settings than those of an earlier route of it are a backend of their own."""
        suffix = "cluster" if shape.mode == "http" else "tcp"
        name = f"{app.id.replace('/', '::')}-{suffix}" + (f"-{index}" if index else "")
        if name in self.backends and self.backends[name].shape != shape:
            name += "-" + hashlib.sha256(repr(shape).encode()).hexdigest()[:6]
        if name not in self.backends:
            self.backends[name] = Backend(name, app.id, shape, self.server(app, index))
        return name

    def claim(self, table: dict[str, str], key: str, backend: str, app: App, source: str) -> None:
        """Enter the key, unless another application has it."""
        owner = table.setdefault(key, backend)
        if owner != backend and self.backends[owner].app != app.id:
            self.problem(app.id, source, f"{key} belongs to {self.backends[owner].app}")
        elif owner == backend:
            self.names.setdefault(app.id, []).append(key)

    def listen(self, app: App, port: int, mode: str, backend: str, *, source: str, address: str = "*") -> None:
        low, high = self.settings.tcp_ports
        if port in self.settings.reserved_ports or not low <= port <= high:
            self.problem(app.id, source, f"port {port} is not available: {low} to {high} are, but the router's own")
        elif port in self.listeners:
            self.problem(app.id, source, f"port {port} belongs to {self.listeners[port].app}")
        else:
            self.listeners[port] = Listener(port, cast(Mode, mode), backend, app.id, address)
            self.names.setdefault(app.id, []).append(f":{port}")


def make(
    apps: Mapping[str, App],
    rules: Mapping[str, Rule],
    settings: Settings,
    *,
    servers: Callable[[App, int], tuple[Server, ...]],
    refused: Mapping[str, str],
) -> Routes:
    """`servers`: the tasks that serve a port. `refused`: texts of rules that HAProxy itself refuses, and why."""
    build = _Builder(settings, servers)
    ordered = [app for _, app in sorted(apps.items())]
    served = []
    for app in ordered:
        if not APP_ID.fullmatch(app.id) or not NAME.fullmatch(app.id.replace("/", "::") + "-cluster-000-000000"):
            build.problem(app.id, "app", "its id cannot be the name of a backend")
        else:
            served.append(app)
    for app in served:
        _rule(build, app, rules.get(app.id), refused)
    for app in served:
        _labels(build, app)
    for app in served:
        if app.id not in rules and app.id not in build.names and settings.default_routes and app.id != "/":
            _default(build, app)
    _raw(build, served)
    for identity in sorted(rules.keys() - apps.keys()):
        build.problem(identity, "rule", "there is no such application")
    wanted = Wanted(
        backends=build.backends,
        maps=Maps(build.hosts, build.paths, build.prefixes, {}),
        acls=tuple(build.acls),
        listeners=tuple(build.listeners[port] for port in sorted(build.listeners)),
    )
    return Routes(wanted, build.problems, build.names)


def check(text: str, app: str, apps: Mapping[str, App], rules: Mapping[str, Rule]) -> acl.Parsed:
    """A rule before it is stored: what it says, and that it takes nothing of the others. Raises RuleError."""
    parsed = acl.parse(text)
    hosts: dict[str, str] = {}
    for identity, rule in rules.items():
        try:
            hosts |= dict.fromkeys(acl.parse(rule.acl).hosts, identity)
        except acl.RuleError:
            continue
    for other in apps.values():
        for port in labels.read(other.labels, ("*",))[0]:
            hosts |= dict.fromkeys(port.hosts, other.id)
    if reason := acl.captures(parsed, hosts, app):
        raise acl.RuleError(reason)
    for host in parsed.hosts:
        if hosts.get(host, app) != app:
            raise acl.RuleError(f"{host} belongs to {hosts[host]}")
    return parsed


def _rule(build: _Builder, app: App, rule: Rule | None, refused: Mapping[str, str]) -> None:
    if rule is None:
        return
    try:
        parsed = acl.parse(rule.acl)
    except acl.RuleError as error:
        build.problem(app.id, "rule", str(error))
        return
    if parsed.hosts:
        backend = build.backend(app, 0, Shape())
        for host in parsed.hosts:
            build.claim(build.hosts, host, backend, app, "rule")
    elif parsed.text in refused:
        build.problem(app.id, "rule", f"HAProxy refuses it: {refused[parsed.text]}")
    else:
        build.parsed[app.id] = parsed


def _raw(build: _Builder, served: list[App]) -> None:
    """Rules that are no plain hosts, when it is known which hosts are whose."""
    hosts = {host: build.backends[backend].app for host, backend in build.hosts.items()}
    for app in served:
        parsed = build.parsed.get(app.id)
        if parsed is None:
            continue
        if reason := acl.captures(parsed, hosts, app.id):
            build.problem(app.id, "rule", reason)
            continue
        name = "rule_" + hashlib.sha256(app.id.encode()).hexdigest()[:12]
        build.acls.append(Acl(name, parsed.text, build.backend(app, 0, Shape()), app.id))
        build.names.setdefault(app.id, []).append(parsed.text)


def _labels(build: _Builder, app: App) -> None:
    ports, problems = labels.read(app.labels, build.settings.groups)
    for message in problems:
        build.problem(app.id, "labels", message)
    for port in ports:
        default = "leastconn" if port.mode == "http" else "roundrobin"
        shape = Shape(
            cast(Mode, port.mode),
            port.balance or default,
            port.sticky and port.mode == "http",
            port.https_only and port.mode == "http",
        )
        number = port.port
        if port.mode == "tcp" and number is None:
            number = app.service_ports[port.index] if port.index < len(app.service_ports) else None
            if not number:
                build.problem(app.id, "labels", f"HAPROXY_{port.index}_PORT: a TCP service needs a port")
                continue
        if port.mode == "http" and not port.hosts and number is None:
            if port.path is not None:
                backend = build.backend(app, port.index, shape)
                build.claim(build.prefixes, port.path.lower(), backend, app, "labels")
            continue
        backend = build.backend(app, port.index, shape)
        for host in port.hosts if port.mode == "http" else ():
            if port.path in (None, "/"):
                build.claim(build.hosts, host, backend, app, "labels")
            else:
                build.claim(build.paths, f"{host}{port.path}", backend, app, "labels")
        if number is not None:
            build.listen(app, number, port.mode, backend, source="labels", address=port.address)
    number, problems = labels.tcp_port(app.env)
    for message in problems:
        build.problem(app.id, "labels", message)
    if number is not None:
        backend = build.backend(app, 0, Shape("tcp", "roundrobin"))
        build.listen(app, number, "tcp", backend, source="labels")


def _default(build: _Builder, app: App) -> None:
    """Bamboo's: the path begins with the application's id, whole parts of it."""
    if not app.service_ports and not app.mappings and not any(task.ports for task in app.tasks):
        return
    build.claim(build.prefixes, f"{app.id}/", build.backend(app, 0, Shape()), app, "app")
