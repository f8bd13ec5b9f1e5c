"""The cluster `local`, made once, and what the end-to-end tests do to it.

Every test leaves the cluster healthy; `restored` waits for that with `bootstrap status`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lab import SPEC, bootstrap, healthy, say, wait_for

from bootstrap import config
from bootstrap.model import Cluster


@pytest.fixture(scope="session")
def local() -> Cluster:
    """The cluster `local`, converged by the command that a person would use."""
    say(f"bootstrap cluster --env {SPEC}")
    run = bootstrap("cluster", "--env", SPEC, "--json").expect()
    phases = ", ".join(f"{phase['name']} {phase['seconds']:.1f}" for phase in run.document["phases"])
    say(f"{run.document['changes']} changes in {run.seconds:.1f} s ({phases})")
    return config.load(SPEC)


@pytest.fixture
def restored(local: Cluster) -> Iterator[Cluster]:
    """The healthy cluster, and after the test the same again, without any help."""
    wait_for("the cluster is healthy before the test", healthy, within=120)
    yield local
    wait_for("the cluster recovered by itself", healthy, within=180)


@pytest.fixture
def variant(tmp_path: Path) -> Callable[..., str]:
    """A copy of an environment's topology with some keys replaced; the same name, hence the same machines."""

    def make(env: str, change: Callable[[dict[str, Any]], None]) -> str:
        path = config.locate(env)
        topology = yaml.safe_load(path.read_text())
        change(topology)
        folder = tmp_path / path.parent.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "cluster.yaml").write_text(yaml.safe_dump(topology))
        return str(folder / "cluster.yaml")

    return make
