"""Molecule: a scenario for every role that has one to have, each a valid topology, none in another's way."""

from __future__ import annotations

import importlib.util
from itertools import combinations
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from bootstrap import config, image, paths
from bootstrap.model import Cluster

FOLDER = paths.CHECKOUT / "molecule"
# Every role of the table, but for those that are in every scenario or beside another in its own, and for one whose
# package only its publisher has.
WITHOUT = {"admin", "docker", "alerts", "log-aggregator"}
ROLES = sorted(set(yaml.safe_load((paths.PILLAR / "roles.yaml").read_text())["roles"]) - WITHOUT)


def load_runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("molecule_run", FOLDER / "run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run = load_runner()


def topology(name: str) -> Path:
    return FOLDER / name / f"molecule-{name}" / "cluster.yaml"


@pytest.fixture(scope="module")
def clusters() -> dict[str, Cluster]:
    return {name: config.load(str(topology(name))) for name in run.names()}


def test_every_role_has_a_scenario_and_every_scenario_a_role() -> None:
    assert run.names() == ROLES, "CONTRIBUTING.md, Add a component, step 5"


@pytest.mark.parametrize("name", run.names())
def test_topology(name: str) -> None:
    """Nothing is found in it, not even a warning; it carries the role, on lab machines that are nobody else's."""
    checked = config.check(str(topology(name)))
    assert [str(finding) for finding in checked.findings] == []
    cluster = checked.cluster
    assert cluster is not None
    assert (cluster.env, cluster.driver, cluster.production) == (f"molecule-{name}", "docker", False)
    assert cluster.with_role(name)
    assert "publish" not in cluster.driver_settings, "a port of the host may be another's"
    other = str(cluster.driver_settings["image_of"])
    assert image.image_roles(cluster) == image.roles_in_use(config.load(other)), "would need an image of its own"


def test_networks_do_not_meet(clusters: dict[str, Cluster]) -> None:
    everyone = [*clusters.values(), *(config.load(env) for env in config.environments())]
    assert [(a.env, b.env) for a, b in combinations(everyone, 2) if a.network.overlaps(b.network)] == []


@pytest.mark.parametrize("name", run.names())
def test_a_scenario_holds_its_topology_and_nothing_else(name: str) -> None:
    files = {path.relative_to(FOLDER / name) for path in (FOLDER / name).rglob("*") if path.is_file()}
    assert files == {Path("molecule.yml"), Path(f"molecule-{name}/cluster.yaml")}
    assert yaml.safe_load((FOLDER / name / "molecule.yml").read_text()) is None


def test_every_step_has_a_playbook_and_every_playbook_a_step() -> None:
    shared = yaml.safe_load((paths.CHECKOUT / ".config" / "molecule" / "config.yml").read_text())
    named = {Path(path).name for path in shared["ansible"]["playbooks"].values()}
    there = {path.name for path in (FOLDER / "playbooks").iterdir()} - {"scenario.yml"}
    assert named == there
    steps = [step for step in shared["scenario"]["test_sequence"] if step not in ("syntax", "idempotence")]
    assert {f"{step}.yml" for step in steps} == there
    assert "idempotence" in shared["scenario"]["test_sequence"]


SAID = """
    msg: 'base: 261 changes in 24.085 s'
    msg: 'base: 0 changes in 6.014 s'
    msg: 'base: 38 checks passed in 5.045 s'
"""


def test_a_row_says_what_the_run_did() -> None:
    row = run.row_of("base", 0, SAID, 61.4, "abc")
    assert row[2:] == ("abc", "passed", "61", "261", "0", "38")


def test_a_run_that_failed_says_where() -> None:
    said = SAID + "base > converge: Executed: Successful\nbase > verify: Executed: Failed (why)\n"
    assert run.row_of("base", 2, said, 1, "abc").result == "failed at verify"
    assert run.row_of("base", -9, "", 1, "abc").result == "ended with status -9"


@pytest.mark.parametrize("lost", range(1, 4))
def test_a_run_that_left_a_step_out_did_not_pass(lost: int) -> None:
    lines = SAID.splitlines()
    assert run.row_of("base", 0, "\n".join(lines[:lost] + lines[lost + 1 :]), 1, "abc").result.startswith("failed")


def test_a_table_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "RECORD", tmp_path / "record.md")
    path = tmp_path / "new" / "runs.md"
    rows = [run.row_of(name, 0, SAID, 1, "abc") for name in ("base", "zookeeper")]
    for row in rows:
        run.write(path, row)
    read = run.read(path)
    assert list(read) == run.names()
    assert [read["base"], read["zookeeper"]] == rows
    assert read["marathon"] == run.Row("marathon")


def test_the_committed_table_has_every_scenario() -> None:
    assert list(run.read(run.RECORD)) == run.names()
