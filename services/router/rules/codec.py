"""A rule as Bamboo keeps it in ZooKeeper: the name of its node and its data. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, unquote_plus

VERSION = "2"


@dataclass(frozen=True, slots=True)
class Rule:
    """`config` holds the rule under "Acl", and whatever else its writer put there."""

    app: str
    config: Mapping[str, str] = field(default_factory=dict)

    @property
    def acl(self) -> str:
        return self.config.get("Acl", "")

    def document(self) -> dict[str, object]:
        """As Bamboo's API shows it."""
        return {"Id": self.app, "Acl": self.acl, "Config": dict(self.config)}


def app_id(text: str) -> str:
    """The id with its leading slash."""
    return text if text.startswith("/") else f"/{text}"


def node_name(app: str) -> str:
    """URL query escaping: `/` is `%2F`, a blank is `+`."""
    return quote_plus(app, safe="")


def decode(name: str, data: bytes) -> Rule:
    """A rule of a node. Anything that is not JSON with version "2" is the bare text of older versions."""
    app = app_id(unquote_plus(name))
    text = data.decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except ValueError:
        return Rule(app, {"Acl": text})
    if not isinstance(document, dict) or document.get("version") != VERSION:
        return Rule(app, {"Acl": text})
    config = document.get("config")
    if not isinstance(config, dict):
        return Rule(app)
    return Rule(app, {str(key): value for key, value in config.items() if isinstance(value, str)})


def encode(rule: Rule) -> bytes:
    """The data of the rule's node."""
    return json.dumps({"version": VERSION, "config": dict(rule.config)}, separators=(",", ":")).encode()
