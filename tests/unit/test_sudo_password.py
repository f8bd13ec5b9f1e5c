"""Where sudo's password comes from, and where it must not go."""

import os
import stat
import subprocess
import sys

import pytest

from bootstrap import sudo_password, terminal
from bootstrap.errors import SudoError


@pytest.fixture(autouse=True)
def nothing_known():
    sudo_password.forget()
    yield
    sudo_password.forget()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    return path


def test_a_file_of_ours_alone(file):
    assert sudo_password.of(str(file)) == "correct horse"


def test_it_is_asked_for_once(monkeypatch):
    answers = iter(["typed"])
    monkeypatch.setattr(terminal, "secret", lambda _prompt: next(answers))
    assert [sudo_password.of("ask"), sudo_password.of("ask")] == ["typed", "typed"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_can_read_or_write(file, mode):
    file.chmod(mode)
    with pytest.raises(SudoError, match="can be read by others") as caught:
        sudo_password.of(str(file))
    assert caught.value.where == f"{file}, mode {mode:04o}"
    assert caught.value.next_step.startswith(f"chmod 600 {file}")
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.parametrize("content", ["", "\n", "one\ntwo\n"])
def test_a_file_that_is_not_one_line(file, content):
    file.write_text(content)
    with pytest.raises(SudoError, match="exactly one line"):
        sudo_password.of(str(file))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SudoError, match="cannot be read"):
        sudo_password.of(str(tmp_path / "absent"))


def test_nobody_to_ask(monkeypatch):
    monkeypatch.setattr(terminal, "secret", lambda _prompt: None)
    with pytest.raises(SudoError, match="there is no terminal"):
        sudo_password.of("ask")


def test_a_child_is_told_over_a_pipe(monkeypatch):
    monkeypatch.setattr(terminal, "secret", lambda _prompt: "typed")
    program = "from bootstrap import sudo_password; print(sudo_password.of('ask'))"
    with sudo_password.handed_over({"ask", ""}) as pipes:
        environment = {**os.environ, sudo_password.PIPE_VARIABLE: str(pipes[0])}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment, pass_fds=pipes, capture_output=True, text=True, check=False)
    assert done.stdout == "typed\n", done.stderr
    assert "typed" not in " ".join([*command, *environment.values()])


def test_nothing_is_handed_over_that_the_child_can_read_itself(file):
    with sudo_password.handed_over({str(file), ""}) as pipes:
        assert pipes == ()


@pytest.mark.parametrize("asks", [True, False])
def test_a_commands_own_input_is_never_mixed_with_the_password(file, asks, tmp_path):
    """Whether sudo takes the password from the input or not, the command reads what comes after the mark."""
    fake = tmp_path / "sudo"
    read = "read -r password" if asks else ":"
    fake.write_text(f'#!/bin/sh\n{read}\nshift 4\nexec "$@"\n')
    fake.chmod(0o755)
    given = sudo_password.before_input(str(file)) + b"the command's own\ninput"
    done = subprocess.run([str(fake), *sudo_password.AS_ROOT[1:], "cat"], input=given, capture_output=True, check=False)
    assert done.stdout == b"the command's own\ninput"
