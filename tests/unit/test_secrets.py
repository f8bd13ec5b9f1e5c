"""Secrets are made once, are ours alone, and do not show."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bootstrap.errors import ExitStatus, OperatorError
from bootstrap.secrets import NotGivenError, Secrets


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    return tmp_path


def test_made_once_and_different(state: Path) -> None:
    first, other = Secrets("e").value("zookeeper-super"), Secrets("e").value("salt-api")
    assert Secrets("e").value("zookeeper-super") == first != other
    assert len(bytes.fromhex(first)) == 32


def test_file_is_ours_alone_and_nothing_is_left_beside(state: Path) -> None:
    secrets = Secrets("e")
    secrets.value("a")
    folder = state / "e" / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["a"]


def test_repr_and_names_show_no_value() -> None:
    secrets = Secrets("e")
    value = secrets.value("a")
    assert value not in repr(secrets)
    assert secrets.names() == ("a",)


def test_many_threads_get_one_value() -> None:
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: Secrets("e").value("a"), range(64)))) == 1


def test_two_processes_get_one_value(state: Path) -> None:
    code = "from bootstrap.secrets import Secrets; print(Secrets('e').value('a'))"
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    values = {run.communicate(timeout=30)[0].strip() for run in runs}
    assert values == {Secrets("e").value("a")}


@pytest.mark.parametrize("name", ["", "../ca", "a/b", ".hidden", "A b", "-x"])
def test_names_that_are_no_file_names(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a secret"):
        Secrets("e").value(name)


def test_an_empty_file_is_told_and_not_replaced(state: Path) -> None:
    secrets = Secrets("e")
    (state / "e" / "secrets" / "a").touch()
    with pytest.raises(OperatorError, match="'a' is empty") as caught:
        secrets.value("a")
    assert str(state) in caught.value.next_step


def test_a_given_secret_is_never_made(state: Path) -> None:
    path = state / "e/secrets/given-newrelic-license"
    with pytest.raises(NotGivenError) as caught:
        Secrets("e").value("given-newrelic-license")
    assert caught.value.status == ExitStatus.PREFLIGHT
    (line,) = caught.value.lines
    assert line == (f"{path}: given-newrelic-license: is not there, and only you can give it; (umask 077; cat >{path})")
    assert not path.exists()


def test_a_given_secret_is_for_its_owner_alone(state: Path) -> None:
    secrets = Secrets("e")
    path = state / "e/secrets/given-newrelic-license"
    path.write_text("licence\n")
    path.chmod(0o644)
    with pytest.raises(NotGivenError) as caught:
        secrets.value(path.name)
    assert "can be read by others (found mode 0644); chmod 600" in caught.value.lines[0]
    path.chmod(0o600)
    assert secrets.value(path.name) == "licence"


def test_all_given_secrets_are_told_at_once(state: Path) -> None:
    secrets = Secrets("e")
    for name, text, mode in (("given-a", "x", 0o640), ("given-b", "\n", 0o600), ("given-d", "fine", 0o600)):
        (state / "e/secrets" / name).write_text(text)
        (state / "e/secrets" / name).chmod(mode)
    wanted = ["salt-api", "given-c", "given-a", "given-b", "given-d", "given-a"]
    with pytest.raises(NotGivenError, match="3 secrets") as caught:
        secrets.require(wanted)
    found = [(finding["path"], finding["message"].split(",")[0]) for finding in caught.value.as_json()["findings"]]  # type: ignore[attr-defined]
    assert found == [("given-a", "can be read by others"), ("given-b", "is empty"), ("given-c", "is not there")]
    assert all(str(state) in finding.file and finding.fix for finding in caught.value.findings)
    assert "salt-api" not in secrets.names(), "looking makes nothing"
    secrets.require(["salt-api", "given-d"])
