"""Salt's wheels: made once, whole or not at all, checked before they are installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap import engine, wheelhouse
from bootstrap.errors import ArtifactError
from bootstrap.process import Completed


def quiet(_node, _text):
    pass


@pytest.fixture
def lock(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(engine, "install", lambda *_args, **_kw: None)
    file = tmp_path / "requirements.lock"
    file.write_text("tool==1 --hash=sha256:00\n")
    return file


@pytest.fixture
def pip(monkeypatch):
    """pip replaced by something that leaves two wheels; every call is kept."""
    calls = []

    def fetched(argv, _on_line, **_kw):
        calls.append(argv)
        folder = argv[argv.index("--wheel-dir") + 1]
        for name in ("tool-1-py3-none-any.whl", "pip-26.3-py3-none-any.whl"):
            (Path(folder) / name).write_text(name)
        return Completed(tuple(argv), 0, "", "")

    monkeypatch.setattr(wheelhouse, "stream", fetched)
    return calls


def test_fetched_once_with_hashes(lock, pip):
    folder = wheelhouse.ensure(quiet, lock)
    assert wheelhouse.ensure(quiet, lock) == folder
    assert len(pip) == 1
    assert {"--require-hashes", "--no-deps"} <= set(pip[0])
    assert (folder / "STAMP").read_text().strip() == folder.name == wheelhouse.key(lock)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)


def test_another_lock_is_another_wheelhouse(lock, pip):
    first = wheelhouse.ensure(quiet, lock)
    lock.write_text("tool==2 --hash=sha256:00\n")
    assert wheelhouse.ensure(quiet, lock) != first


def test_a_failed_fetch_leaves_nothing(lock, monkeypatch, tmp_path):
    failed = Completed(("pip",), 1, "", "THESE PACKAGES DO NOT MATCH THE HASHES")
    monkeypatch.setattr(wheelhouse, "stream", lambda *_args, **_kw: failed)
    with pytest.raises(ArtifactError) as failure:
        wheelhouse.ensure(quiet, lock)
    assert failure.value.lines == failed.tail()
    assert [path for path in (tmp_path / "cache/wheelhouse").iterdir() if path.is_dir()] == []


def test_what_an_interrupted_run_left_is_made_anew(lock, pip):
    folder = wheelhouse.ensure(quiet, lock)
    (folder / "STAMP").unlink()
    (folder / "leftover").touch()
    wheelhouse.ensure(quiet, lock)
    assert (folder / "STAMP").exists()
    assert not (folder / "leftover").exists()


def test_the_lock_has_a_hash_for_every_requirement():
    text = wheelhouse.LOCK.read_text().replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith("#")]
    assert any(line.startswith("salt==3008.3 ") for line in requirements)
    assert [line for line in requirements if "--hash=sha256:" not in line] == []


def install(wheels, target):
    command = ["sh", str(wheelhouse.INSTALLER), str(wheels), str(target)]
    return subprocess.run(
        command, env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )


def test_installer_refuses_a_changed_wheel_and_keeps_the_old_venv(lock, pip, tmp_path):
    wheels = wheelhouse.ensure(quiet, lock)
    target = tmp_path / "venv"
    target.mkdir()
    (target / ".stamp").write_text("an older one\n")
    (wheels / "tool-1-py3-none-any.whl").write_text("changed")
    done = install(wheels, target)
    assert done.returncode != 0
    assert "tool-1-py3-none-any.whl" in done.stdout + done.stderr
    assert (target / ".stamp").read_text() == "an older one\n"


def test_installer_puts_the_old_venv_back_when_it_fails(lock, pip, tmp_path):
    wheels = wheelhouse.ensure(quiet, lock)  # its pip is no pip
    target = tmp_path / "venv"
    target.mkdir()
    (target / ".stamp").write_text("an older one\n")
    assert install(wheels, target).returncode != 0
    assert (target / ".stamp").read_text() == "an older one\n"
    assert not (tmp_path / "venv.old").exists()


def test_installer_leaves_an_equal_venv_alone(lock, pip, tmp_path):
    wheels = wheelhouse.ensure(quiet, lock)
    target = tmp_path / "venv"
    target.mkdir()
    (target / ".stamp").write_text(wheelhouse.key(lock) + "\n")
    done = install(wheels, target)
    assert (done.returncode, done.stdout) == (0, f"unchanged: {target}\n")
