"""Every rule, from data: a sound topology, one mistake (or many), and the exact words about it."""

import copy
import json

import pytest
import yaml

from bootstrap import checks, config, paths
from bootstrap.checks import drivers as driver_rules
from bootstrap.checks.finding import Finding, nearest, shown

_FILE = paths.CHECKOUT / "tests/unit/broken_topologies.yaml"
_DATA = yaml.safe_load(_FILE.read_text())


def _changed(document, changes):
    document = copy.deepcopy(document)
    for path, value in (changes or {}).items():
        *way, last = path.split("/")
        inner = document
        for key in way:
            inner = inner[key]
        if value == "<remove>":
            del inner[last]
        else:
            inner[last] = value
    return document


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """pillar/ and salt/ in a folder of their own."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "pillar/env/lab").mkdir(parents=True)
    for role in _DATA["table"]["roles"].values():
        for component in role["components"]:
            (tmp_path / "salt" / component).mkdir(parents=True, exist_ok=True)
    for component, defaults in _DATA["defaults"].items():
        (tmp_path / "salt" / component).mkdir(exist_ok=True)
        (tmp_path / "salt" / component / "defaults.yaml").write_text(yaml.safe_dump(defaults))
    return tmp_path


def _check(tree, case):
    topology = _changed(_DATA["topology"], case.get("change"))
    table = _changed(_DATA["table"], case.get("table"))
    (tree / "pillar/env/lab/cluster.yaml").write_text(yaml.safe_dump(topology, sort_keys=False))
    (tree / "pillar/roles.yaml").write_text(yaml.safe_dump(table, sort_keys=False))
    (tree / "pillar/artifacts.yaml").write_text(yaml.safe_dump(_DATA["artifacts"], sort_keys=False))
    (tree / "state/lab").mkdir(parents=True, exist_ok=True)
    if "members" in case:
        (tree / "state/lab/zookeeper-members.json").write_text(json.dumps(case["members"]))
    if "remembered" in case:
        (tree / "state/lab/zookeeper-ids.json").write_text(json.dumps(case["remembered"]))
    return config.check("lab", pillar=tree / "pillar", salt=tree / "salt", removed=_DATA["removed"])


def _said(finding, tree):
    where, rest = str(finding).split(" ", 1)
    table = "roles.yaml: " if "/roles.yaml" in where else ""
    warning = "warning: " if finding.severity == "warning" else ""
    return warning + table + rest.replace(f"{tree}/state/lab/", "STATE/")


@pytest.mark.parametrize("case", _DATA["cases"], ids=lambda case: case["case"])
def test_every_finding_word_for_word(tree, case):
    checked = _check(tree, case)
    assert [_said(finding, tree) for finding in checked.findings] == case["expect"]
    refused = any(not text.startswith("warning: ") for text in case["expect"])
    assert (checked.cluster is None) == refused


@pytest.mark.parametrize("case", _DATA["cases"], ids=lambda case: case["case"])
def test_a_finding_says_where_and_what_to_do(tree, case):
    for finding in _check(tree, case).findings:
        assert finding.file.endswith(("/cluster.yaml", "/roles.yaml"))
        assert finding.path
        assert finding.fix
        assert finding.line or finding.message == "is missing"


def test_enough_mistakes_are_tried():
    single = [case for case in _DATA["cases"] if case["expect"] and not case["case"].startswith("many")]
    assert len([case for case in single if "table" not in case]) >= 150  # one mistake in the topology
    many = [case for case in _DATA["cases"] if case["case"].startswith("many")]
    assert len(many) >= 20 and all(len(case["expect"]) >= 3 for case in many)
    assert len({case["case"] for case in _DATA["cases"]}) == len(_DATA["cases"])


def test_name_too_long_with_its_domain(tree):
    domain = ".".join(["d" * 60] * 4)
    node = {"address": "10.1.0.32", "roles": []}
    checked = _check(tree, {"change": {"domain": domain, "nodes/" + "e" * 20: node}})
    assert [finding.message for finding in checked.findings] == ["with the domain it has 264 characters, more than 253"]


@pytest.mark.parametrize("name", ["Lab", "my_lab", "9lab", "lab-", "l" * 32])
def test_folder_that_cannot_name_an_environment(tree, name):
    _check(tree, {})
    folder = tree / name
    (tree / "pillar/env/lab").rename(folder)
    checked = config.check(str(folder / "cluster.yaml"), pillar=tree / "pillar", salt=tree / "salt")
    assert [(finding.value, finding.message) for finding in checked.findings] == [
        (name, "the name of the file's folder names the environment, and cannot be a name")
    ]


@pytest.mark.parametrize(
    ("text", "path"),
    [("{", "zookeeper-ids.json"), ("[]", "zookeeper-ids.json"), ('{"control-1": "1"}', "zookeeper-ids.json")],
)
def test_damaged_memory_of_ids_is_not_ignored(tree, text, path):
    (tree / "state/lab").mkdir(parents=True)
    (tree / "state/lab/zookeeper-ids.json").write_text(text)
    (finding,) = _check(tree, {}).findings
    assert finding.file.endswith(path)
    assert "changed ids would go unnoticed" in finding.message


def test_damaged_defaults_are_reported_in_their_file(tree):
    (tree / "salt/zookeeper/defaults.yaml").write_text("heap: 1g\nheap: 2g\n")
    (finding,) = _check(tree, {"change": {"settings": {"zookeeper": {"heap": "3g"}}}}).findings
    assert finding.file.endswith("salt/zookeeper/defaults.yaml")
    assert (finding.line, finding.path) == (2, "heap")


def test_the_drivers_are_those_that_exist():
    drivers = pytest.importorskip("bootstrap.drivers")
    assert set(driver_rules.DRIVERS) == set(drivers.NAMES)


def test_every_rule_has_its_words():
    for rule in checks.rules():
        assert rule.__doc__, rule


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("zookeper", ["zookeeper", "docker"], "zookeeper"),
        ("LOCAL", ["local", "prod"], "local"),
        ("ticktime", ["tickTime"], "tickTime"),
        ("redis", ["zookeeper", "docker"], ""),
        ("x", [], ""),
    ],
)
def test_nearest(word, known, meant):
    assert nearest(word, known) == meant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("12", '"12"'),
        ("true", '"true"'),
        (True, "true"),
        (None, "null"),
        ([1, "a"], '[1, "a"]'),
        ("two\nlines", "two lines"),
        ("x" * 90, "x" * 67 + "..."),
    ],
)
def test_values_are_shown_short_and_on_one_line(value, text):
    assert shown(value) == text


def test_finding_as_json():
    finding = Finding("a.yaml", ("nodes", "a", "roles", 1), 5, "wrong", "right", line=3)
    assert finding.as_json() == {
        "severity": "error",
        "file": "a.yaml",
        "line": 3,
        "path": "nodes.a.roles.1",
        "value": 5,
        "message": "wrong",
        "fix": "right",
    }
    assert str(finding) == "a.yaml:3: nodes.a.roles.1: wrong (found 5); right"
