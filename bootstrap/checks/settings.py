"""Rules about `settings`: components and keys that exist, values of the type their default has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bootstrap.checks.draft import Draft
from bootstrap.checks.fields import kind, plain
from bootstrap.checks.finding import Finding, Keys, nearest, unknown
from bootstrap.model import Role

# Settings that went away: "component.key" -> what to do now. An entry lives for one release, then goes.
REMOVED: Mapping[str, str] = {}
# Settings that follow from something else in the file.
_TABLE = "the port is in pillar/roles.yaml, where every reader finds it"
_TOPOLOGY = "it follows from the topology"
_FILE = "what is in it is generated, and reaches the service by a file of its own"
DERIVED: Mapping[str, str] = {
    "base.lab_machine": "it follows from driver.name",
    "artifact-server.port": _TABLE,
    "zookeeper.config.clientPort": _TABLE,
    "marathon.flags.http_port": _TABLE,
    "marathon.flags.http_credentials": _FILE,
    "marathon.flags.mesos_authentication_secret": _FILE,
    "marathon.flags.mesos_authentication_secret_file": _FILE,
    "utopia-scheduler.config.http_port": _TABLE,
    "utopia-scheduler.config.http_credentials_file": _FILE,
    "utopia-scheduler.config.mesos_authentication_secret_file": _FILE,
    "utopia-scheduler.config.zk_credentials_file": _FILE,
    "utopia-router.config.http_port": _TABLE,
    "utopia-router.config.https_port": _TABLE,
    "utopia-router.config.api_credentials_file": _FILE,
    "utopia-router.config.marathon_password_file": _FILE,
    "utopia-router.config.stats_credentials_file": _FILE,
    "utopia-router.config.zookeeper_credentials_file": _FILE,
    **dict.fromkeys(
        (
            *("marathon.flags." + flag for flag in ("master", "zk", "hostname", "http_address")),
            *("marathon.flags." + flag for flag in ("mesos_authentication", "mesos_authentication_principal")),
            *("utopia-scheduler.config." + key for key in ("master", "zk", "hostname", "http_address")),
            "utopia-scheduler.config.mesos_authentication_principal",
            *("utopia-router.config." + key for key in ("marathon_endpoints", "marathon_user", "bind")),
            *("utopia-router.config." + key for key in ("zookeeper_hosts", "zookeeper_path", "haproxy_config")),
        ),
        _TOPOLOGY,
    ),
}
# Settings that are one of a few words.
CHOICES: Mapping[str, Sequence[str]] = {
    "rsyslog.when_full": ("block", "drop-oldest"),
    "fluentd.overflow_action": ("block", "drop_oldest_chunk", "throw_exception"),
}
LAB_ONLY = "lab_"  # settings that begin so are for throwaway machines
_TYPING_ERROR = 0.9  # how alike two keys are when one is probably the other, misspelt


def settings(draft: Draft) -> Iterator[Finding]:
    """Every setting is one that its component has."""
    homes = _homes(draft)
    components = list(homes)
    for component, values in draft.settings.items():
        keys: Keys = ("settings", component)
        if component not in components:
            yield unknown(draft.file, keys, component, components, kind="component")
        elif values is None:
            yield draft.finding(keys, "nothing", "must be a mapping", "write settings below it, or remove it")
        elif not isinstance(values, Mapping):
            yield draft.finding(keys, values, "must be a mapping", f"write {component}: {{key: value}}")
        else:
            yield from _component(draft, component, values)
            yield from _unused(draft, component, homes[component])


def _homes(draft: Draft) -> dict[str, list[tuple[Role, str]]]:
    """Component -> the roles that have it, each with the provider that brings it, "" for the row itself."""
    homes: dict[str, list[tuple[Role, str]]] = {}
    for role in draft.roles.values():
        for component in role.components:
            homes.setdefault(component, []).append((role, ""))
        for provider in role.providers:
            added = (component for addition in provider.additions for component in addition.components)
            for component in (*provider.components, *added):
                homes.setdefault(component, []).append((role, provider.name))
    return homes


def _unused(draft: Draft, component: str, homes: Sequence[tuple[Role, str]]) -> Iterator[Finding]:
    """Settings of an implementation that fills no role here."""
    if not any(provider in ("", draft.provider(role)) for role, provider in homes):
        role, provider = homes[0]
        message = f"without effect: {component} is of provider {provider}, and {draft.provider(role)} fills {role.name}"
        fix = f"remove it, or write providers: {{{role.name}: {provider}}}"
        yield draft.finding(("settings", component), None, message, fix, severity="warning")


def _component(draft: Draft, component: str, values: Mapping[str, Any]) -> Iterator[Finding]:
    defaults = draft.defaults(component)
    for key, value in values.items():
        keys: Keys = ("settings", component, str(key))
        dotted = f"{component}.{key}"
        if dotted in draft.removed:
            yield draft.finding(keys, value, f"the setting {dotted} is gone", draft.removed[dotted])
        elif dotted in DERIVED:
            yield _derived(draft, keys, value)
        elif defaults is None:
            yield draft.finding(keys, value, f"the component {component} has no settings", "remove it")
        elif key not in defaults:
            yield unknown(draft.file, keys, str(key), map(str, defaults), kind="setting", of=component)
        elif draft.production and str(key).startswith(LAB_ONLY):
            yield draft.finding(keys, value, f"{dotted} is for the lab, and production is true", "remove it")
        elif dotted in CHOICES and value not in CHOICES[dotted]:
            yield draft.finding(keys, value, f"{dotted} has no such choice", f"write {' or '.join(CHOICES[dotted])}")
        else:
            yield from _typed(draft, keys, value, defaults[key])


def _typed(draft: Draft, keys: Keys, value: Any, default: Any) -> Iterator[Finding]:
    """Compare with the default; a default of null takes any value, an empty collection any content."""
    if default is None:
        return
    if not _fits(value, default):
        yield draft.finding(keys, value, f"must be {kind(default)}, not {kind(value)}", _fix(value, default))
    elif isinstance(default, dict):
        yield from _handed_on(draft, keys, value, default)
    elif isinstance(default, list) and default:
        for index, item in enumerate(value):
            yield from _typed(draft, (*keys, index), item, default[0])


def _handed_on(draft: Draft, keys: Keys, value: Mapping[Any, Any], default: Mapping[Any, Any]) -> Iterator[Finding]:
    """A mapping (zoo.cfg, daemon.json, sysctl) goes key by key to a program that knows more keys than the defaults.

    So a key that is not among them is only told of, and only where it looks like a typing error.
    """
    for key, item in value.items():
        inner: Keys = (*keys, str(key))
        meant = nearest(str(key), map(str, default), cutoff=_TYPING_ERROR)
        if ".".join(map(str, inner[1:])) in DERIVED:
            yield _derived(draft, inner, item)
        elif key in default:
            yield from _typed(draft, inner, item, default[key])
        elif meant:
            message = f"{key} is not among the defaults, and handed on as it is"
            yield draft.finding(inner, item, message, f"did you mean {meant}?", severity="warning")


def _derived(draft: Draft, keys: Keys, value: Any) -> Finding:
    dotted = ".".join(map(str, keys[1:]))
    return draft.finding(keys, value, f"{dotted} is not set in this file", f"remove it: {DERIVED[dotted]}")


def _fits(value: Any, default: Any) -> bool:
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, type(default))


def _fix(value: Any, default: Any) -> str:
    if isinstance(default, str) and isinstance(value, bool | int | float):
        return f'put quotes around it: "{plain(value)}"'
    if isinstance(default, int | float) and isinstance(value, str) and value.lstrip("-").isdigit():
        return f"write {value} without quotes"
    if isinstance(default, list):
        return f"write [{plain(value)}]"
    return "write keys and values below it" if isinstance(default, dict) else f"write something like {plain(default)}"
