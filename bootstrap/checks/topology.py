"""cluster.yaml -> Draft: the shape of the file, its types, and what its ranges stand for."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

from bootstrap import ranges
from bootstrap.checks.draft import Draft, Entry
from bootstrap.checks.fields import Fields
from bootstrap.checks.finding import Finding, nearest, unknown
from bootstrap.model import BASE_ROLE, Role

_TOP = (
    "driver",
    "domain",
    "network",
    "production",
    "providers",
    "versions",
    "everywhere",
    "nodes",
    "settings",
    "waivers",
)
_NODE = ("address", "roles", "zookeeper_id", "attributes", "resources")


def read(env: str, file: str, data: Any, roles: Mapping[str, Role], findings: list[Finding]) -> Draft:
    """Everything that can be understood, and findings for the rest."""
    top = Fields(file, (), data, findings, fix="see pillar/env/prod/cluster.yaml for a complete example")
    top.only(*_TOP)
    driver, driver_settings = _driver(top)
    everywhere = _known(top, "everywhere", roles)
    entries, complete = _entries(top, roles, everywhere)
    return Draft(
        env=env,
        file=file,
        roles=roles,
        driver=driver,
        driver_settings=driver_settings,
        domain=top.text("domain", required="add domain: <env>.example.com"),
        network=_network(top),
        production=top.flag("production"),
        entries=entries,
        settings=top.section("settings"),
        providers=top.section("providers"),
        everywhere=everywhere,
        versions=top.section("versions"),
        waivers=top.section("waivers"),
        complete=complete,
    )


def _driver(top: Fields) -> tuple[str | None, Mapping[str, Any]]:
    raw = top.raw.get("driver")
    if raw is None:
        top.add("driver", None, "is missing", "add driver: {name: docker}, or name: ssh for machines that exist")
        return None, {}
    fix = f"write driver: {{name: {raw}}}" if isinstance(raw, str) else "write driver: {name: docker}"
    driver = Fields(top.file, ("driver",), raw, top.findings, fix=fix)
    if not driver.understood:
        return None, {}
    name = driver.text("name", required="add name: docker, or name: ssh for machines that exist")
    return name, {key: value for key, value in driver.raw.items() if key != "name"}


def _network(top: Fields) -> IPv4Network | None:
    text = top.text("network", required="add the network of the nodes, such as 10.20.0.0/16")
    if text is None:
        return None
    address, _, length = text.partition("/")
    if not length:
        top.add("network", text, "has no prefix length", f"write {text}/24, or the length that is right")
        return None
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        kind = "is not an IPv4 network" if ":" not in text else "is an IPv6 network; Mesos speaks IPv4"
        top.add("network", text, kind, "write address/length, such as 10.20.0.0/16")
        return None
    if str(network.network_address) != address:
        top.add("network", text, "is an address inside a network, not a network", f"write {network}")
    return network


def _entries(top: Fields, roles: Mapping[str, Role], everywhere: tuple[str, ...]) -> tuple[tuple[Entry, ...], bool]:
    raw = top.raw.get("nodes")
    if not raw and (raw is None or isinstance(raw, Mapping)):
        top.add("nodes", None, "there are no nodes", "add at least admin-1 with its address and roles: [admin]")
        return (), False
    nodes = Fields(top.file, ("nodes",), raw, top.findings, fix="write a name with its address and roles per node")
    entries, complete = [], nodes.understood
    for key, value in nodes.raw.items():
        fields = Fields(top.file, ("nodes", key), value, top.findings, fix="write {address: ..., roles: [...]}")
        complete = complete and fields.understood
        if fields.understood:
            entries.append(_entry(key, fields, roles, everywhere))
    return tuple(entries), complete


def _entry(key: str, fields: Fields, roles: Mapping[str, Role], everywhere: tuple[str, ...]) -> Entry:
    fields.only(*_NODE)
    names = _expand(fields, "", key)
    pattern = fields.text("address", required="add its address") or ""
    texts = _expand(fields, "address", pattern) if pattern else ()
    if names and texts and len(texts) != len(names):
        fields.add(
            "address",
            pattern,
            f"stands for {len(texts)} {_plural('address', len(texts))}, the name for {len(names)} "
            f"{_plural('node', len(names))}",
            "make both ranges equally long",
        )
    number = fields.whole("zookeeper_id")
    return Entry(
        key=key,
        names=names or (key,),
        pattern=pattern,
        addresses=_addresses(fields, pattern, texts),
        roles=tuple(dict.fromkeys((*_roles(fields, roles), *everywhere))),
        zookeeper_id=number,
        mistyped_id=number is None and fields.raw.get("zookeeper_id") is not None,
        attributes=fields.section("attributes"),
        resources=fields.section("resources"),
    )


def _expand(fields: Fields, key: str, pattern: str) -> tuple[str, ...]:
    try:
        return ranges.expand(pattern)
    except ranges.RangeError as error:
        fields.add(key, pattern if key else None, str(error), error.fix)
        return ()


def _addresses(fields: Fields, pattern: str, texts: tuple[str, ...]) -> tuple[IPv4Address, ...]:
    addresses = []
    for text in texts:
        try:
            addresses.append(IPv4Address(text))
        except AddressValueError as error:
            member = "" if text == pattern else f"{text}: "
            fields.add("address", pattern, f"{member}not an IPv4 address ({_reason(text, error)})", _address_fix(text))
            return ()
    return tuple(addresses)


def _reason(text: str, error: AddressValueError) -> str:
    if ":" in text:
        return "it is IPv6 or has a port; Mesos speaks IPv4"
    reason = str(error)
    for part in (f" in '{text}'", f" in {text!r}"):
        reason = reason.replace(part, "")
    return reason.replace("'", "")[:1].lower() + reason.replace("'", "")[1:]


def _address_fix(text: str) -> str:
    if any(part.startswith("0") and len(part) > 1 for part in text.split(".")):
        return "write addresses and their ranges without zeros in front"
    return "write four numbers from 0 to 255, such as 10.20.0.11"


def _roles(fields: Fields, table: Mapping[str, Role]) -> tuple[str, ...]:
    if fields.raw.get("roles") is None:
        fields.add("roles", None, "is missing", "add roles: [...], or roles: [] for a node with the host baseline only")
    return _known(fields, "roles", table)


def _known(fields: Fields, key: str, table: Mapping[str, Role]) -> tuple[str, ...]:
    """The roles under `key`. A misspelt one counts as the one that was meant, so that nothing follows from it."""
    kept = []
    for role in fields.texts(key):
        if role == BASE_ROLE:
            fields.add(key, role, "every node has the role base without saying so", "leave it out")
        elif role in table:
            kept.append(role)
        else:
            names = [name for name in table if name != BASE_ROLE]
            fields.findings.append(unknown(fields.file, (*fields.keys, key), role, names, kind="role"))
            kept.append(nearest(role, names))
    return tuple(dict.fromkeys(role for role in kept if role))


def _plural(word: str, count: int) -> str:
    if count == 1:
        return word
    return f"{word}es" if word.endswith("s") else f"{word}s"
