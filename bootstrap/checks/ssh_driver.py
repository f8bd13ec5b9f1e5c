"""Rules about the settings of driver ssh: how existing hosts are reached."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from bootstrap import ranges
from bootstrap.checks.draft import Draft
from bootstrap.checks.fields import Fields
from bootstrap.checks.finding import Finding, Keys, unknown

SETTINGS: Mapping[str, tuple[type, ...]] = {
    "user": (str,),
    "port": (int,),
    "key": (str,),
    "agent": (bool,),
    "ssh_config": (str,),
    "known_hosts": (list,),
    "sudo_password": (str,),
    "jump": (list,),
    "hosts": (dict,),
    "lab": (bool,),
}
FIXES: Mapping[type, str] = {
    bool: "write true or false, without quotes",
    list: "write it as a list: [...]",
    dict: "write hosts: {admin-1: {user: root}}",
}
_HOST = ("user", "port", "key", "sudo_password", "host_key", "jump")
_HOP = ("address", "user", "port", "key", "host_key")
_PRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_KEY_FIX = "write what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows on the host: SHA256:..."


def findings(draft: Draft) -> list[Finding]:
    """About jump hosts, the nodes' own parts and files, all at once."""
    found: list[Finding] = []
    settings = draft.driver_settings
    top = Fields(draft.file, ("driver",), settings, found)
    if isinstance(settings.get("known_hosts"), list):
        top.texts("known_hosts")
    _jump(draft.file, ("driver", "jump"), settings.get("jump"), found)
    names = [name for entry in draft.entries for name in entry.names]
    hosts = settings.get("hosts")
    seen: dict[str, str] = {}
    for key, raw in (hosts if isinstance(hosts, dict) else {}).items():
        keys: Keys = ("driver", "hosts", str(key))
        fields = Fields(draft.file, keys, raw, found, fix="write {user: ..., host_key: ...}")
        fields.only(*_HOST)
        _host(fields)
        for name in _expanded(draft, keys, str(key), found):
            if name not in names and draft.complete:
                found.append(unknown(draft.file, keys, name, names, kind="node"))
            if name in seen:
                message = f"{name} is under {seen[name]} already"
                found.append(Finding(draft.file, keys, None, message, "say it in one place"))
            seen[name] = str(key)
    return found


def _expanded(draft: Draft, keys: Keys, pattern: str, found: list[Finding]) -> tuple[str, ...]:
    try:
        return ranges.expand(pattern)
    except ranges.RangeError as error:
        found.append(Finding(draft.file, keys, None, str(error), error.fix))
        return ()


def _host(fields: Fields) -> None:
    for key in ("user", "key", "sudo_password"):
        fields.text(key)
    _port(fields)
    _host_key(fields)
    _jump(fields.file, (*fields.keys, "jump"), fields.raw.get("jump"), fields.findings)


def _jump(file: str, keys: Keys, raw: Any, found: list[Finding]) -> None:
    """A list of hops, the one nearest to the operator first; [] = none for this node."""
    if raw is None:
        return
    if not isinstance(raw, list):
        if len(keys) > 2:  # else the type of the setting is told already
            found.append(Finding(file, keys, raw, "must be a list", "write jump: [{address: 192.0.2.1}]"))
        return
    for index, each in enumerate(raw):
        hop = Fields(file, (*keys, index), each, found, fix="write {address: 192.0.2.1}")
        if hop.understood:
            hop.only(*_HOP)
            hop.text("address", required="add the jump host's address")
            for key in ("user", "key"):
                hop.text(key)
            _port(hop)
            _host_key(hop)


def _port(fields: Fields) -> None:
    port = fields.whole("port")
    if port is not None and not 1 <= port <= 65535:
        fields.add("port", port, "not a port from 1 to 65535", "write port: 22, or where sshd listens")


def _host_key(fields: Fields) -> None:
    """One or several, each a fingerprint or a whole key."""
    raw = fields.raw.get("host_key")
    texts = raw if isinstance(raw, list) else [] if raw is None else [raw]
    for text in texts:
        if not isinstance(text, str) or not (_PRINT.fullmatch(text) or _is_key(text)):
            fields.add("host_key", text, "is neither a SHA256 fingerprint nor a host key", _KEY_FIX)


def _is_key(text: str) -> bool:
    kind, _, blob = text.partition(" ")
    try:
        content = base64.b64decode(blob.split(" ")[0], validate=True)
    except binascii.Error:
        return False
    return content[4:].startswith(kind.encode()) and bool(kind)
