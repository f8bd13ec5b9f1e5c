"""The services as artifacts: what is in a release, when it is another one, and that its programs start."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from bootstrap import builders, paths

FOLDER = paths.CHECKOUT / "packaging" / "services"
FILES = {
    "__init__.py": "",
    "scheduler/__init__.py": "",
    "scheduler/__main__.py": "import sys\nfrom services.scheduler.core import NAME\nprint(NAME, *sys.argv[1:])\n",
    "scheduler/core.py": "NAME = 'the scheduler'\n",
    "scheduler/files/page.html": "<p>",
    "scheduler/README.md": "prose",
    "scheduler/__pycache__/core.cpython-311.pyc": "no",
    "scheduler/.draft/core.py": "no",
    "router/__init__.py": "",
}


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """packaging/services/release.py, as the program that it is."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("services_release", FOLDER / "release.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "services"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_release_has_the_packages_and_a_program_for_each_that_runs(release: ModuleType, tree: Path) -> None:
    found = release.release(tree)
    assert sorted(found) == [
        "bin/utopia-scheduler",
        "parts/utopia-scheduler",
        "services/__init__.py",
        "services/router/__init__.py",
        "services/scheduler/__init__.py",
        "services/scheduler/__main__.py",
        "services/scheduler/core.py",
        "services/scheduler/files/page.html",
    ]
    assert found["bin/utopia-scheduler"][1] == 0o755


def test_the_same_files_make_the_same_archive(release: ModuleType, tree: Path, tmp_path: Path) -> None:
    made = []
    for name in ("a.tar", "b.tar"):
        release.archive.write(tmp_path / name, release.release(tree))
        made.append((tmp_path / name).read_bytes())
        (tree / "router/__init__.py").touch()
    assert made[0] == made[1]


def test_a_program_runs_from_its_own_release_though_another_is_current(
    release: ModuleType, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "LAUNCHER", release.LAUNCHER.replace(release.PYTHON, sys.executable))
    release.archive.write(tmp_path / "r.tar", release.release(tree))
    with tarfile.open(tmp_path / "r.tar") as archive:
        archive.extractall(tmp_path / "releases" / "one", filter="data")
    (tmp_path / "current").symlink_to("releases/one")
    command = [str(tmp_path / "current/bin/utopia-scheduler"), "--config", "x"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tree, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (0, "the scheduler --config x\n"), done.stderr


@pytest.mark.parametrize(
    ("name", "matters"),
    [("scheduler/core.py", True), ("__init__.py", True), ("router/__init__.py", False), ("router/new.py", False)],
)
def test_what_makes_one_service_another(release: ModuleType, tree: Path, name: str, matters: bool) -> None:
    before = release.release(tree)["parts/utopia-scheduler"]
    (tree / name).write_text("# another\n")
    assert (release.release(tree)["parts/utopia-scheduler"] != before) is matters


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("scheduler/core.py", True),
        ("scheduler/files/page.html", True),
        ("scheduler/new.py", True),
        ("scheduler/README.md", False),
        ("scheduler/.draft/core.py", False),
        ("scheduler/__pycache__/core.cpython-311.pyc", False),
    ],
)
def test_what_makes_another_release(
    tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, matters: bool
) -> None:
    monkeypatch.setattr(builders, "BUILDERS", {"services": builders.Builder(tmp_path / "release.py", {}, (tree,))})
    before = builders.fingerprint("services", {})
    (tree / name).write_text("# another\n")
    assert (builders.fingerprint("services", {}) != before) is matters


def test_the_builders_read_what_they_are_made_of() -> None:
    services = {str(path.relative_to(paths.CHECKOUT)) for path in builders.BUILDERS["services"].inputs()}
    assert {"services/__init__.py", "packaging/services/release.py", "packaging/services/archive.py"} <= services
    assert not any("/." in name or "__pycache__" in name for name in services)
    wheels = {path.name for path in builders.BUILDERS["service-wheels"].inputs()}
    assert wheels == {"wheels.py", "archive.py", "requirements.lock", "install.sh"}


def test_the_wheels_are_those_that_the_tests_run_with() -> None:
    def versions(lock: Path) -> dict[str, str]:
        lines = [line.split(" ")[0] for line in lock.read_text().splitlines() if "==" in line and line[0] not in " #"]
        return dict(line.split("==") for line in lines)

    ours, all_of_them = versions(FOLDER / "requirements.lock"), versions(paths.CHECKOUT / "requirements.lock")
    assert {"aiohttp", "orjson", "kazoo", "jinja2", "pip"} <= set(ours)
    assert {name: version for name, version in ours.items() if all_of_them.get(name) != version} == {}
