"""Every key of the pillar that states, templates and modules look up is one that `plan` gives to some node."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bootstrap import paths

# pillar.a.b   pillar['a']['b']   pillar.get('a')   salt['pillar.get']('a:b')   __pillar__["a"]   __salt__["pillar.get"]
_DOTTED = re.compile(
    r"(?<![\w.'\"/-])(?:__)?pillar(?:__)?((?:\.(?!get\b|items\b|keys\b|values\b)[a-z_]\w*|\[['\"][\w:-]+['\"]\])+)"
)
_GET = re.compile(r"(?:__)?pillar(?:__)?\.get(?:'\])?\(['\"]([\w:-]+)['\"]")
_PART = re.compile(r"\.(\w+)|\[['\"]([\w:-]+)['\"]\]")
_FREE = ("settings", "secrets", "files", "nodes", "attributes", "resources", "members")  # names of somebody's choice

# What is added to the plan's pillar: by a closed network, for one run of states, by Salt itself.
_BESIDE = {
    "packages": dict.fromkeys(("folder", "host", "release", "url", "key"), ""),
    "restart_anyway": [],
    "_errors": [],
}


def sources() -> dict[str, str]:
    """Every file under salt/ that may look something up."""
    kept = (path for path in paths.SALT.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(paths.SALT)): path.read_text(encoding="utf-8") for path in kept}


def lookups(text: str) -> Iterator[tuple[str, ...]]:
    """The ways into the pillar that a text has."""
    for match in _DOTTED.finditer(text):
        yield tuple(dotted or quoted for dotted, quoted in _PART.findall(match[1]))
    for match in _GET.finditer(text):
        yield tuple(match[1].split(":"))


def known(pillars: list[Mapping[str, Any]], way: tuple[str, ...]) -> bool:
    """Whether some node's pillar has that way, as far as its names are ours."""
    level: list[Any] = list(pillars)
    for key in way:
        mappings = [values for values in level if isinstance(values, Mapping)]
        if not mappings:
            return True  # a method or an item of a value
        level = [values[key] for values in mappings if key in values]
        if not level:
            return False
        if key in _FREE:
            return True
    return True


@pytest.fixture(scope="session")
def pillars(minions):
    found = [minion["pillar"] for env in ("local", "prod") for minion in minions(env).values()]
    return [*found, _BESIDE]


def test_states_look_up_what_there_is(pillars):
    wrong = {
        f"{name}: {'.'.join(way)}"
        for name, text in sources().items()
        for way in lookups(text)
        if not known(pillars, way)
    }
    assert sorted(wrong) == []


def test_lookups_are_found_at_all():
    found = {way for text in sources().values() for way in lookups(text)}
    assert len(found) > 30
    assert {("env",), ("mesos", "quorum"), ("zookeeper", "connect")} <= {way[:2] for way in found} | {("env",)}


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("{{ pillar.mesos.qourum }}", [("mesos", "qourum")]),
        ("{{ pillar['zookeper'].connect }}", [("zookeper", "connect")]),
        ("{{ salt['pillar.get']('artefacts:url', '') }}", [("artefacts", "url")]),
        ("{% if pillar.get('labb') %}", [("labb",)]),
        ('__pillar__["nodee"]["name"]', [("nodee", "name")]),
    ],
)
def test_a_typing_error_is_found(pillars, text, ways):
    assert list(lookups(text)) == ways
    assert not known(pillars, ways[0])
