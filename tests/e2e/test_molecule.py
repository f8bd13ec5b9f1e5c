"""Two Molecule scenarios, run as `make molecule` runs all; what they made is gone afterwards, whatever happened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lab import say, wait_for

from bootstrap import paths

BIN = paths.CHECKOUT / ".venv-molecule" / "bin"
RUNNER = paths.CHECKOUT / "molecule" / "run.py"
CHEAPEST = ("base", "zookeeper")  # the other scenarios' roles are in the cluster `local` as well
BROKEN = "broken"  # a scenario of this file's alone
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def venv() -> None:
    """By the command of the documents."""
    subprocess.run(["make", ".venv-molecule/ready"], cwd=paths.CHECKOUT, check=True)


def left(scenario: str) -> list[str]:
    """Whatever carries the scenario's label, and its keys and secrets."""
    label = f"--filter=label=utopia.env=molecule-{scenario}"
    found: list[str] = []
    for words in (["ps", "--all", "--format={{.Names}}"], ["network", "ls", "--format={{.Name}}"]):
        done = subprocess.run(["docker", *words, label], capture_output=True, text=True, check=True)
        found += done.stdout.split()
    state = paths.state_path(f"molecule-{scenario}")
    return [*found, str(state)] if state.exists() else found


@pytest.mark.parametrize("scenario", CHEAPEST)
def test_scenario(scenario: str) -> None:
    done = subprocess.run([sys.executable, str(RUNNER), scenario], capture_output=True, text=True, check=False)
    say(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-8000:]}"
    assert left(scenario) == []


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What lets Molecule find a scenario of a single machine, whose states ask for a package that nobody has."""
    folder = tmp_path_factory.mktemp("scenarios")
    topology = {
        "driver": {"name": "docker", "image_of": "local"},
        "domain": "broken.utopia",
        "network": "172.30.56.240/28",
        "nodes": {"admin-1": {"address": "172.30.56.242", "roles": ["admin"]}},
        "settings": {"base": {"packages": ["no-such-package"]}},
    }
    path = folder / BROKEN / f"molecule-{BROKEN}" / "cluster.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(topology))
    (folder / BROKEN / "molecule.yml").write_text("---\n")
    search = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": search, "MOLECULE_GLOB": str(folder / "*" / "molecule.yml"), "NO_COLOR": "1"}


def molecule(command: str, output: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen(
            [str(BIN / "molecule"), command, "-s", BROKEN],
            cwd=paths.CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def test_what_fails_to_converge_is_told_and_removed(broken: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert molecule("test", log, broken).wait(600) != 0
    said = log.read_text()
    assert f"{BROKEN} > create: Executed: Successful" in said, said[-6000:]
    assert f"{BROKEN} > converge: Executed: Failed" in said
    assert "no-such-package" in said, "the failure does not say why"
    assert left(BROKEN) == []


def test_what_a_killed_run_left_is_removed(broken: dict[str, str], tmp_path: Path) -> None:
    """Killed without a chance to tidy up, what it had begun goes on for a while; `destroy` waits for that."""
    run = molecule("converge", tmp_path / "log", broken)
    wait_for("the machine is made", lambda: f"utopia-molecule-{BROKEN}-admin-1" in left(BROKEN), within=120)
    run.kill()
    run.wait()
    assert molecule("destroy", tmp_path / "destroy.log", broken).wait(600) == 0, (tmp_path / "destroy.log").read_text()
    assert left(BROKEN) == []
