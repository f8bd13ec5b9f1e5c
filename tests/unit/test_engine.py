"""No engine, no right to install one, a stale pid file: what is said and done."""

import pytest

from bootstrap import engine
from bootstrap.errors import EngineError, ExitStatus
from bootstrap.process import Completed

DOWN = Completed(("docker",), 1, "", "Cannot connect to the Docker daemon")


def silent(_node, _text):
    pass


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "_probe", lambda: DOWN)
    monkeypatch.setattr(engine, "_apt", lambda argv: pytest.fail(f"ran {argv}"))


def test_no_engine_and_no_right_to_install_one(monkeypatch, no_engine):
    monkeypatch.setattr(engine.shutil, "which", lambda *_args, **_kw: None)
    monkeypatch.setattr(engine, "privilege", lambda: None)
    with pytest.raises(EngineError) as failure:
        engine.ensure(silent)
    assert failure.value.status == ExitStatus.ENGINE
    assert failure.value.next_step == "sudo apt-get install --no-install-recommends docker.io iptables"


def test_installed_but_not_running_and_no_right_to_start_it(monkeypatch, no_engine):
    monkeypatch.setattr(engine.shutil, "which", lambda *_args, **_kw: "/usr/bin/found")
    monkeypatch.setattr(engine, "privilege", lambda: None)
    with pytest.raises(EngineError, match="does not run") as failure:
        engine.ensure(silent)
    assert "systemctl start docker" in failure.value.next_step


def test_a_user_outside_the_docker_group(monkeypatch, no_engine):
    denied = Completed(("docker",), 1, "", "Got permission denied while trying to connect to the Docker daemon socket")
    monkeypatch.setattr(engine, "_probe", lambda: denied)
    with pytest.raises(EngineError, match="may not use it"):
        engine.ensure(silent)


def test_started_by_sudo_but_not_usable_is_said_at_once(monkeypatch):
    denied = Completed(("docker",), 1, "", "permission denied while trying to connect to the Docker daemon socket")
    monkeypatch.setattr(engine, "_probe", lambda: denied)
    with pytest.raises(EngineError, match="may not use it"):
        engine._await(tuple, next_step="look")


def test_somebody_elses_engine_is_not_started_by_us(monkeypatch, no_engine):
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(EngineError, match=r"192\.0\.2\.1"):
        engine.ensure(silent)


def test_missing_packages_are_installed_from_apt(monkeypatch):
    ran, said = [], []
    monkeypatch.setattr(engine.shutil, "which", lambda name, **_kw: None if name == "dockerd" else "/usr/bin/x")
    monkeypatch.setattr(engine, "privilege", lambda: ["sudo", "-n"])
    monkeypatch.setattr(engine, "_apt", ran.append)
    engine.install(engine.ENGINE_PROGRAMS, lambda _node, text: said.append(text), why="test")
    assert [argv[:2] for argv in ran] == [["sudo", "-n"]] * 2
    assert ran[0][-1] == "update"
    assert ran[1][-4:] == ["install", "--yes", "--no-install-recommends", "docker.io"]
    assert said == ["installing docker.io"]


def test_nothing_is_installed_when_nothing_is_missing(monkeypatch):
    monkeypatch.setattr(engine.shutil, "which", lambda *_args, **_kw: "/usr/bin/found")
    monkeypatch.setattr(engine, "_apt", lambda argv: pytest.fail(f"ran {argv}"))
    engine.install(engine.ENGINE_PROGRAMS, silent, why="test")


@pytest.mark.parametrize(
    ("content", "comm", "stale"),
    [
        (None, None, None),
        ("not a number", None, None),
        ("4242\n", None, 4242),  # the process has gone
        ("4242\n", "bash\n", 4242),  # the number was given to another
        ("4242\n", "dockerd\n", None),
    ],
)
def test_stale_pid_file(tmp_path, content, comm, stale):
    pid_file = tmp_path / "docker.pid"
    if content is not None:
        pid_file.write_text(content)
    if comm is not None:
        (tmp_path / "4242").mkdir()
        (tmp_path / "4242" / "comm").write_text(comm)
    assert engine.stale_pid(pid_file, proc=tmp_path) == stale


def test_waiting_for_the_engine_ends(monkeypatch):
    monkeypatch.setattr(engine, "_probe", lambda: DOWN)
    monkeypatch.setattr(engine, "_READY_SECONDS", 0.3)
    monkeypatch.setattr(engine, "_POLL_SECONDS", 0.05)
    with pytest.raises(EngineError, match="did not answer within") as failure:
        engine._await(lambda: ("last words",), next_step="look")
    assert failure.value.lines == ("last words",)


def test_started_by_hand_where_pid_1_is_not_systemd(monkeypatch, tmp_path, no_engine):
    monkeypatch.setenv("UTOPIA_CACHE_DIR", str(tmp_path / "cache"))
    fake = tmp_path / "bin" / "dockerd"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho started by hand\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    monkeypatch.setattr(engine, "PID_FILE", tmp_path / "docker.pid")
    (tmp_path / "docker.pid").write_text("999999999\n")
    monkeypatch.setattr(engine, "_await", lambda log, next_step: None)
    monkeypatch.setattr(engine, "boots_systemd", lambda: False)
    monkeypatch.setattr(engine, "privilege", list)
    engine._start(silent)
    assert not (tmp_path / "docker.pid").exists()
    assert int((tmp_path / "cache/engine/dockerd.pid").read_text()) > 0
