"""Checks begin early only where the last run was verified and made from the very same files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap import config, paths, verified
from bootstrap.model import Cluster


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """One whose files can be changed."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(paths, "SALT", tmp_path / "salt")
    (tmp_path / "salt/base").mkdir(parents=True)
    (tmp_path / "salt/base/init.sls").write_text("{}\n")
    found = config.load("small")
    paths.state_dir(found.env).mkdir(parents=True, exist_ok=True)
    copy = tmp_path / "cluster.yaml"
    copy.write_bytes(found.path.read_bytes())
    return replace(found, path=copy)


def test_nothing_is_known_before_the_first_run(cluster: Cluster) -> None:
    assert not verified.is_as_now(cluster)


def test_the_same_files_are_known_again(cluster: Cluster) -> None:
    verified.remember(cluster)
    assert verified.is_as_now(cluster)


def topology(cluster: Cluster) -> None:
    cluster.path.write_text(cluster.path.read_text() + "# x\n")


def states(_cluster: Cluster) -> None:
    (paths.SALT / "base/init.sls").write_text("other: {}\n")


def gone(cluster: Cluster) -> None:
    cluster.path.unlink()


@pytest.mark.parametrize("change", [topology, states, gone, verified.forget])
def test_other_files_are_not(cluster: Cluster, change: Callable[[Cluster], None]) -> None:
    verified.remember(cluster)
    change(cluster)
    assert not verified.is_as_now(cluster)


def test_what_was_never_known_can_be_forgotten(cluster: Cluster) -> None:
    verified.forget(cluster)
    assert not verified.is_as_now(cluster)
