"""What the master has of what it is to serve, and what goes to it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bootstrap import salt_files, salt_master
from bootstrap.artifacts import Artifact


def inspect(root: Path, wanted: Mapping[str, Any]) -> salt_master.Found:
    script = salt_master.INSPECT
    for folder in (salt_files.STATES, salt_files.PILLAR, salt_files.ACCEPTED, salt_files.ARTIFACTS):
        script = script.replace(folder, f"{root}{folder}")
    done = subprocess.run(
        ["sh", "-c", script],
        input="\n".join(f"{root}{path}" for path in wanted),
        capture_output=True,
        text=True,
        check=True,
    )
    return salt_master.parse(done.stdout.replace(str(root), ""))


@pytest.fixture
def tree(tmp_path: Path) -> tuple[Path, dict[str, tuple[bytes, int]]]:
    files = {
        f"{salt_files.STATES}/a.sls": (b"a", 0o644),
        f"{salt_files.PILLAR}/": (b"", 0o700),
        f"{salt_files.PILLAR}/cluster.sls": (b"c", 0o600),
        f"{salt_files.ACCEPTED}/agent-1": (b"k", 0o644),
    }
    for path, (content, mode) in files.items():
        target = Path(f"{tmp_path}{path}")
        if path.endswith("/"):
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        target.chmod(mode)
    return tmp_path, files


def test_what_is_right_makes_no_difference(tree: Any) -> None:
    root, files = tree
    assert not salt_master.difference(files, inspect(root, files))


def test_an_empty_master_needs_everything(tmp_path: Path, tree: Any) -> None:
    files = tree[1]
    found = inspect(tmp_path / "nothing", files)
    assert salt_master.difference(files, found).files == files


@pytest.mark.parametrize("harm", ["content", "mode", "gone", "folder mode"])
def test_a_difference_is_put_right(tree: Any, harm: str) -> None:
    root, files = tree
    path = Path(f"{root}{salt_files.PILLAR}/cluster.sls")
    if harm == "content":
        path.write_bytes(b"d")
    elif harm == "mode":
        path.chmod(0o644)
    elif harm == "gone":
        path.unlink()
    else:
        path.parent.chmod(0o755)
    differing = salt_master.difference(files, inspect(root, files))
    expected = f"{salt_files.PILLAR}/" if harm == "folder mode" else f"{salt_files.PILLAR}/cluster.sls"
    assert list(differing.files) == [expected]
    assert differing.remove == ()


def test_the_key_of_a_node_that_left_is_removed_and_an_unknown_one_is_told(tree: Any) -> None:
    root, files = tree
    Path(f"{root}{salt_files.ACCEPTED}/agent-2").write_text("old")
    pending = Path(f"{root}{salt_files.ACCEPTED}_pre")
    pending.mkdir()
    (pending / "stranger").write_text("x")
    found = inspect(root, files)
    assert salt_master.difference(files, found).remove == (f"{salt_files.ACCEPTED}/agent-2",)
    assert found.unknown == ("stranger",)


def artifact(tmp_path: Path, content: bytes = b"deb") -> Artifact:
    path = tmp_path / "blob"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Artifact("mesos", "1", "mesos_1.deb", sha256, len(content), "", None, path)


def test_artifacts_are_sent_named_and_stale_ones_removed(tmp_path: Path) -> None:
    wanted = artifact(tmp_path)
    empty = salt_master.parse("")
    assert salt_master.missing([wanted], empty) == [wanted]
    there = {
        salt_master.served(wanted): str(wanted.size),
        f"{salt_files.ARTIFACTS}/mesos_1.deb": f"sha256/{wanted.sha256}",
    }
    found = salt_master.Found({}, {}, frozenset(), there, ())
    assert salt_master.missing([wanted], found) == []
    assert salt_master.link_names([wanted], found) == ""
    stale = salt_master.Found({}, {}, frozenset(), {**there, f"{salt_files.ARTIFACTS}/mesos_0.deb": "sha256/old"}, ())
    assert salt_master.link_names([wanted], stale) == f"rm -f -- '{salt_files.ARTIFACTS}/mesos_0.deb'"


def test_an_artifact_half_sent_is_sent_again(tmp_path: Path) -> None:
    wanted = artifact(tmp_path)
    found = salt_master.Found({}, {}, frozenset(), {salt_master.served(wanted): "1"}, ())
    assert salt_master.missing([wanted], found) == [wanted]
