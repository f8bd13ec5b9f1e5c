"""marathon-lb's labels and Bamboo's BAMBOO_TCP_PORT of one application. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from services.router.haproxy.model import BALANCE, HOST, PATH

LABEL = re.compile(r"HAPROXY_(?:(\d{1,3})_)?([A-Z0-9_]+)")
KNOWN = frozenset(
    {"GROUP", "ENABLED", "VHOST", "PATH", "MODE", "PORT", "STICKY", "REDIRECT_TO_HTTPS", "BALANCE", "BIND_ADDR"}
)
# Leaving one of these out would open what its owner has closed.
GUARDS = frozenset({"AUTH", "BACKEND_NETWORK_ALLOWED_ACL"})
TRUE = frozenset({"true", "t", "yes", "y"})
ADDRESS = re.compile(r"\*|[0-9a-fA-F.:]+")


@dataclass(frozen=True, slots=True)
class Port:
    """What the labels say of one port of the application."""

    index: int
    hosts: tuple[str, ...] = ()
    path: str | None = None
    mode: str = "http"
    port: int | None = None  # of the edge, when the label names it
    sticky: bool = False
    https_only: bool = False
    balance: str | None = None
    address: str = "*"


def read(labels: Mapping[str, str], groups: Collection[str]) -> tuple[list[Port], list[str]]:
    """The ports that labels route, and what is wrong with them. A port with an error is not routed."""
    by_index: dict[int, dict[str, str]] = {}
    general: dict[str, str] = {}
    for label, value in labels.items():
        if match := LABEL.fullmatch(label):
            index, name = match.groups()
            if index is None:
                general[name] = value.strip()
            else:
                by_index.setdefault(int(index), {})[name] = value.strip()
    ports, problems = [], []
    for index, found in sorted(by_index.items()):
        group = found.get("GROUP", general.get("GROUP", ""))
        if "*" not in groups and not set(groups) & {one.strip() for one in group.split(",")}:
            continue
        if found.get("ENABLED", "true").lower() not in TRUE:
            continue
        port, wrong = _port(index, found)
        problems += wrong
        if port is not None:
            ports.append(port)
    return ports, problems


def tcp_port(env: Mapping[str, str]) -> tuple[int | None, list[str]]:
    """The port of a TCP service as Bamboo has it in the environment of the application."""
    text = env.get("BAMBOO_TCP_PORT", "").strip()
    if not text:
        return None, []
    if not text.isdigit() or not 0 < int(text) < 65536:
        return None, [f"BAMBOO_TCP_PORT: {text!r} is not a port"]
    return int(text), []


def _port(index: int, found: Mapping[str, str]) -> tuple[Port | None, list[str]]:
    wrong = []
    prefix = f"HAPROXY_{index}_"
    guards = sorted(GUARDS & found.keys())
    if guards:
        return None, [f"{prefix}{name} is not supported, so the port is not routed" for name in guards]
    notes = [f"{prefix}{name} is not supported" for name in sorted(found.keys() - KNOWN)]
    hosts = tuple(host.strip().lower() for host in found.get("VHOST", "").split(",") if host.strip())
    wrong += [f"{prefix}VHOST: {host!r} is not a host name" for host in hosts if not HOST.fullmatch(host)]
    path = found.get("PATH")
    if path is not None:
        path = path.removeprefix("-i ").strip()
        if not PATH.fullmatch(path):
            wrong.append(f"{prefix}PATH: {path!r} is not a path")
    mode = found.get("MODE", "http").lower()
    if mode not in ("http", "tcp"):
        wrong.append(f"{prefix}MODE: {mode!r} is neither http nor tcp")
    number = found.get("PORT")
    if number is not None and (not number.isdigit() or not 0 < int(number) < 65536):
        wrong.append(f"{prefix}PORT: {number!r} is not a port")
    balance = found.get("BALANCE")
    if balance is not None and balance not in BALANCE:
        wrong.append(f"{prefix}BALANCE: {balance!r} is none of {', '.join(sorted(BALANCE))}")
    address = found.get("BIND_ADDR", "*")
    if not ADDRESS.fullmatch(address):
        wrong.append(f"{prefix}BIND_ADDR: {address!r} is not an address")
    if wrong:
        return None, [*notes, *wrong]
    return (
        Port(
            index=index,
            hosts=hosts,
            path=path,
            mode=mode,
            port=int(number) if number else None,
            sticky=found.get("STICKY", "false").lower() in TRUE,
            https_only=found.get("REDIRECT_TO_HTTPS", "false").lower() in TRUE,
            balance=balance,
            address=address,
        ),
        notes,
    )
