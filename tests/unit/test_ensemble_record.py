"""Who was in the ensemble: kept, read, refused when it is damaged, forgotten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap import config, ensemble_record, paths


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))


def test_it_is_what_was_kept_last() -> None:
    cluster = config.load("local")
    assert ensemble_record.read("local") == ()
    ensemble_record.keep(cluster)
    assert ensemble_record.read("local") == ("control-1", "control-2", "control-3")
    before = ensemble_record.path_of("local").stat()
    ensemble_record.keep(cluster)
    assert ensemble_record.path_of("local").stat().st_ino == before.st_ino, "nothing is written when nothing changed"
    ensemble_record.keep(replace(cluster, nodes=cluster.nodes[:2]))
    assert ensemble_record.read("local") == ("control-1",)
    assert [path.name for path in paths.state_dir("local").iterdir()] == ["zookeeper-members.json"]
    config.forget_ids("local")
    assert ensemble_record.read("local") == ()


@pytest.mark.parametrize("text", ["{}", "[1]", "["])
def test_a_damaged_one_is_an_error_of_the_files(text: str) -> None:
    paths.state_dir("local")
    ensemble_record.path_of("local").write_text(text)
    (finding,) = config.check("local").findings
    assert finding.severity == "error"
    assert "cannot be read" in finding.message
    assert finding.file == str(ensemble_record.path_of("local"))
