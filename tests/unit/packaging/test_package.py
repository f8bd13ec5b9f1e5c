"""The package: what is in it, and that the same inputs give the same bytes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builder import binaries, package, source
from builder.errors import BuildError

BUILD = Path(package.__file__).parents[1] / "build.py"


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files in place of the library and of what is compiled: that takes long, and tests/services has it."""

    def library(_archive: Path, target: Path) -> None:
        target.write_bytes(b"library")

    def stubs(_library: Path, target: Path, _work: Path) -> None:
        (target / "libcrypto.so.1.0.0").write_bytes(b"stub")

    def programs(root: Path, _work: Path) -> None:
        for name, (folder, _, _) in binaries.PROGRAMS.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / folder / name).write_bytes(b"program")

    monkeypatch.setattr(source, "extract_library", library)
    monkeypatch.setattr(binaries, "build_stubs", stubs)
    monkeypatch.setattr(binaries, "build_programs", programs)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.mark.usefixtures("no_compiler")
def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    first = package.build(tmp_path / "archive", tmp_path / "one").read_bytes()
    before = os.umask(0o077)
    time.sleep(1.1)  # times in the package have a resolution of one second
    try:
        second = package.build(tmp_path / "archive", tmp_path / "two").read_bytes()
    finally:
        os.umask(before)
    assert first == second
    assert [path.name for path in (tmp_path / "one").iterdir()] == [package.FILE]


@pytest.mark.usefixtures("no_compiler")
def test_content_owners_and_modes(tmp_path: Path) -> None:
    made = package.build(tmp_path / "archive", tmp_path)
    listing = subprocess.run(["dpkg-deb", "--contents", str(made)], capture_output=True, text=True, check=True).stdout
    rows = {line.split()[5]: (line.split()[0], line.split()[1]) for line in listing.splitlines()}
    home = "./usr/lib/utopia-mesos"
    programs = ["./usr/sbin/mesos-master", "./usr/sbin/mesos-agent"]
    helpers = ("containerizer", "io-switchboard", "executor", "docker-executor", "fetcher")
    programs += [f"{home}/libexec/mesos-{name}" for name in helpers]
    programs += [f"{home}/libexec/agent-{name}" for name in ("environment", "after-power-loss", "orphaned-containers")]
    assert {rows[path] for path in programs} == {("-rwxr-xr-x", "root/root")}
    files = [
        f"{home}/lib/_scheduler.so",
        f"{home}/python/utopia_mesos/main.py",
        "./usr/share/doc/utopia-mesos/copyright",
    ]
    assert {rows[path] for path in files} == {("-rw-r--r--", "root/root")}
    assert not [path for path in rows if "__pycache__" in path or "systemd" in path]


@pytest.mark.usefixtures("no_compiler")
def test_control_fields(tmp_path: Path) -> None:
    made = package.build(tmp_path / "archive", tmp_path)
    control = subprocess.run(["dpkg-deb", "--field", str(made)], capture_output=True, text=True, check=True).stdout
    fields = dict(line.split(": ", 1) for line in control.splitlines() if not line.startswith(" "))
    assert (fields["Package"], fields["Version"], fields["Architecture"]) == ("utopia-mesos", "1.11.0-1", "amd64")
    assert "docker.io" in fields["Recommends"]
    assert "docker.io" not in fields["Depends"]
    assert "libsasl2-modules" in fields["Depends"] + control


def run_build(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(BUILD), *arguments], capture_output=True, text=True, check=False)


def test_another_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"another")
    done = run_build("--source", str(tmp_path / "archive"), "--output", str(tmp_path / "out"))
    assert done.returncode == 1
    assert source.ARCHIVE_SHA256 in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_no_archive(tmp_path: Path) -> None:
    done = run_build("--source", str(tmp_path / "none"), "--output", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_tools_are_named_as_debian_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="apt-get install binutils dpkg g\\+\\+ gcc"):
        binaries.require_tools()
