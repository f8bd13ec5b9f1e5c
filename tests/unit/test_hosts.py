"""SSH against a real server in this process: host keys, results, timeouts, files, errors."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from bootstrap import file_tree, known_hosts, ssh_config, ssh_errors, ssh_keys, sudo_password
from bootstrap.errors import ExitStatus, HostKeyError, SudoError, UnreachableError
from bootstrap.hosts import Hosts, Result
from bootstrap.model import Machine

_spec = importlib.util.spec_from_file_location("ssh_server", Path(__file__).with_name("ssh_server.py"))
ssh_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(ssh_server)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def lab(state: Path) -> Iterator:
    key = ssh_keys.ensure("e")
    with ssh_server.running(key.with_name(f"{key.name}.pub")) as lab:
        yield lab


def machine(lab, node: str = "admin-1", **changes: object) -> Machine:
    values = {"port": lab.port, "user": "root", "host_keys": (lab.host_key_line,), **changes}
    return Machine(node=node, address="127.0.0.1", **values)


@pytest.fixture
def hosts(lab) -> Iterator[Hosts]:
    hosts = Hosts("e", [machine(lab)])
    yield hosts
    hosts.close()


def test_result_is_kept_whole(hosts: Hosts) -> None:
    result = hosts.run("admin-1", "echo out; echo wrong >&2; exit 3")
    assert result == Result("admin-1", 3, "out\n", "wrong\n")
    assert not result.ok
    assert result.tail() == ("wrong",)


def test_one_connection_for_many_commands(hosts: Hosts, lab) -> None:
    assert [hosts.run("admin-1", f"echo {i}").out for i in range(3)] == ["0\n", "1\n", "2\n"]
    assert lab.connections == 1


def test_megabytes_in_both_directions_do_not_stall(hosts: Hosts) -> None:
    data = os.urandom(3_000_000)
    result = hosts.run("admin-1", "tee /dev/stderr | wc -c; head -c 2000000 /dev/zero | tr '\\0' x", stdin=data)
    assert result.ok
    assert result.out.startswith("3000000\n")
    assert len(result.out) == 2_000_008


def test_input_nobody_reads_is_no_error(hosts: Hosts) -> None:
    assert hosts.run("admin-1", "exit 0", stdin=b"x" * 5_000_000).ok


def test_a_command_is_one_argument_whatever_its_quotes(hosts: Hosts) -> None:
    assert hosts.run("admin-1", """printf '%s|' "a b" 'c"d' $((1+1))""").out == 'a b|c"d|2|'


def test_remote_timeout_ends_the_command(hosts: Hosts) -> None:
    started = time.monotonic()
    result = hosts.run("admin-1", "sleep 60", timeout=0.5)
    assert result.timed_out
    assert time.monotonic() - started < 5


def test_a_node_that_hangs_hits_the_local_deadline(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap.hosts.CONNECT_SECONDS", 1)
    monkeypatch.setattr("bootstrap.ssh_connections.CONNECT_SECONDS", 1)
    lab.mode = "hang"
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="admin-1 does not answer"):
        Hosts("e", [machine(lab)]).run("admin-1", "true", timeout=0.2)
    assert time.monotonic() - started < 5


def test_a_connection_lost_is_an_error_and_the_next_command_connects_anew(hosts: Hosts, lab) -> None:
    lab.mode = "die"
    with pytest.raises(UnreachableError):
        hosts.run("admin-1", "true")
    lab.mode = ""
    assert hosts.run("admin-1", "echo again").out == "again\n"


@pytest.mark.parametrize(("user", "prefix"), [("root", "timeout "), ("debian", "sudo -n timeout ")])
def test_sudo_only_for_other_users(lab, user: str, prefix: str) -> None:
    Hosts("e", [machine(lab, user=user)]).run("admin-1", "true", sudo=True)
    assert lab.commands[-1].startswith(prefix)


def test_secrets_travel_on_stdin_not_in_the_command(hosts: Hosts, lab, tmp_path: Path) -> None:
    hosts.put_tree("admin-1", {f"{tmp_path}/srv/key": (b"s3cr3t", 0o600)})
    assert all("s3cr3t" not in command for command in lab.commands)


def test_a_wrong_host_key_names_node_recorded_and_offered(lab) -> None:
    other = paramiko.ECDSAKey.generate()
    hosts = Hosts("e", [machine(lab, host_keys=(f"{other.get_name()} {other.get_base64()}",))])
    with pytest.raises(HostKeyError) as caught:
        hosts.run("admin-1", "true")
    error = caught.value
    assert error.status is ExitStatus.HOST_KEY
    assert "admin-1" in error.what
    assert known_hosts.fingerprint(f"x {other.get_base64()}").split()[1] in error.lines[0]
    assert known_hosts.fingerprint(lab.host_key_line).split()[1] in error.lines[1]
    assert "known_hosts" in error.next_step
    assert not lab.commands


def test_an_unknown_host_is_never_trusted(lab) -> None:
    with pytest.raises(HostKeyError, match="no host key is recorded for admin-1"):
        Hosts("e", [machine(lab, host_keys=())]).run("admin-1", "true")
    assert lab.connections == 0


def test_keys_recorded_earlier_are_kept_for_a_machine_that_tells_none(lab) -> None:
    Hosts("e", [machine(lab)])
    assert Hosts("e", [machine(lab, host_keys=())]).run("admin-1", "echo ok").out == "ok\n"


def test_another_key_of_ours_is_refused_with_the_reason(lab) -> None:
    with pytest.raises(UnreachableError, match="admin-1 refused our SSH key"):
        Hosts("other", [machine(lab)]).run("admin-1", "true")


def test_nobody_listens(lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(UnreachableError) as caught:
        Hosts("e", [machine(lab, port=port)]).run("admin-1", "true")
    assert caught.value.where == f"node admin-1, root@127.0.0.1:{port}"
    assert caught.value.next_step


def test_a_node_without_machine() -> None:
    with pytest.raises(UnreachableError, match="node agent-9 has no machine"):
        Hosts("e", []).run("agent-9", "true")


def test_a_crowded_server_is_asked_once_more(lab) -> None:
    lab.mode = "crowded"
    assert Hosts("e", [machine(lab, "agent-1")]).run("agent-1", "echo hi").out == "hi\n"
    assert lab.connections == 2


def test_many_nodes_each_with_its_own_outcome(lab) -> None:
    machines = [machine(lab, f"agent-{number}") for number in range(40)]
    machines.append(machine(lab, "agent-x", port=1))
    outcomes = Hosts("e", machines).run_all("echo hi")
    assert isinstance(outcomes.pop("agent-x"), UnreachableError)
    assert len(outcomes) == 40
    assert set(outcomes.values()) == {Result(node, 0, "hi\n", "") for node in outcomes}


def test_a_large_environment_leaves_no_connection_open(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap.hosts.KEEP_OPEN", 2)
    hosts = Hosts("e", [machine(lab, f"agent-{number}") for number in range(5)])
    hosts.run_all("true")
    assert hosts.connections.open == ()


def test_a_tree_is_put_with_modes_and_only_changes_are_told(hosts: Hosts, tmp_path: Path) -> None:
    target = tmp_path / "host"
    files = {
        f"{target}/private/": (b"", 0o700),
        f"{target}/private/key": (b"secret", 0o600),
        f"{target}/run.sh": (b"#!/bin/sh\n", 0o755),
        f"{target}/empty": (b"", 0o644),
    }
    first = hosts.put_tree("admin-1", files)
    assert first.ok, first.err
    assert set(file_tree.changed_of(first.out)) == {path for path in files if not path.endswith("/")}
    assert (target / "private" / "key").read_bytes() == b"secret"
    assert [stat.S_IMODE((target / name).stat().st_mode) for name in ("private", "private/key", "run.sh")] == [
        0o700,
        0o600,
        0o755,
    ]
    assert file_tree.changed_of(hosts.put_tree("admin-1", files).out) == []
    (target / "run.sh").chmod(0o644)
    (target / "private" / "key").write_bytes(b"SECRET")
    again = hosts.put_tree("admin-1", files, then='echo "after:$changed"')
    assert set(file_tree.changed_of(again.out)) == {f"{target}/run.sh", f"{target}/private/key"}
    assert f"after: {target}/private/key" in again.out
    assert not list(tmp_path.rglob("*.utopia-new"))


def test_files_get_a_new_time_even_when_they_are_old(hosts: Hosts, tmp_path: Path) -> None:
    hosts.put_tree("admin-1", {f"{tmp_path}/f": (b"x", 0o644)})
    assert time.time() - (tmp_path / "f").stat().st_mtime < 60


def test_first_may_forbid_everything(hosts: Hosts, tmp_path: Path) -> None:
    result = hosts.put_tree("admin-1", {f"{tmp_path}/f": (b"x", 0o644)}, first="exit 77")
    assert result.status == 77
    assert not (tmp_path / "f").exists()


def test_a_tree_that_cannot_be_written_is_a_failed_result(hosts: Hosts, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = hosts.put_tree("admin-1", {f"{tmp_path}/file/below": (b"x", 0o644)}, then="echo never")
    assert not result.ok
    assert "never" not in result.out


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/a b", "/a\nb", "/$(id)", "/a//b"])
def test_odd_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="plain absolute path"):
        file_tree.pack({path: (b"", 0o644)})


def test_a_large_file_is_streamed_into_place(hosts: Hosts, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(2_000_000))
    result = hosts.put_file("admin-1", source, f"{tmp_path}/sub/target")
    assert result.ok, result.err
    assert (tmp_path / "sub" / "target").read_bytes() == source.read_bytes()
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["target"]


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs the OpenSSH client")
def test_openssh_reads_the_configuration(lab, state: Path) -> None:
    hosts = Hosts("e", [machine(lab), machine(lab, "agent-1", port=22, user="debian")])
    config = hosts.write_ssh_config()
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    told = {}
    for node in ("admin-1", "agent-1"):
        out = subprocess.run(["ssh", "-F", config, "-G", node], capture_output=True, text=True, check=True).stdout
        told[node] = dict(line.split(" ", 1) for line in out.splitlines() if " " in line)
    assert (told["admin-1"]["port"], told["admin-1"]["user"]) == (str(lab.port), "root")
    assert (told["agent-1"]["port"], told["agent-1"]["user"]) == ("22", "debian")
    assert told["admin-1"]["stricthostkeychecking"] in {"yes", "true"}
    assert told["admin-1"]["userknownhostsfile"] == str(state / "e" / "ssh" / "known_hosts")
    assert told["admin-1"]["controlpersist"] != "no"
    assert len(told["admin-1"]["controlpath"]) + 18 < 108  # ssh adds a random suffix while it makes the socket


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs the OpenSSH client")
def test_openssh_enters_with_it(lab) -> None:
    config = Hosts("e", [machine(lab)]).write_ssh_config()
    command = [
        "ssh",
        "-F",
        config,
        "-o",
        "ControlMaster=no",
        "-o",
        "ControlPath=none",
        "admin-1",
        "--",
        "echo",
        "hello",
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (result.returncode, result.stdout) == (0, "hello\n"), result.stderr


def test_somebody_elses_socket_folder_is_refused() -> None:
    folder = ssh_config.control_folder("e")
    try:
        folder.chmod(0o755)
        with pytest.raises(UnreachableError, match="not a folder of ours alone"):
            ssh_config.control_folder("e")
    finally:
        folder.rmdir()


def test_the_key_is_made_once_and_ours_alone(state: Path) -> None:
    key = ssh_keys.ensure("e")
    content = key.read_bytes()
    assert ssh_keys.ensure("e").read_bytes() == content
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = key.with_name("id_ed25519.pub").read_text().split()
    assert paramiko.Ed25519Key.from_private_key_file(str(key)).get_base64() == public[1]


# --- hosts that are not ours: jump hosts, keys, sudo ---------------------------------------------


@pytest.fixture
def behind(lab, state: Path) -> Iterator:
    """A second server, reached through the first."""
    key = ssh_keys.ensure("e")
    with ssh_server.running(key.with_name(f"{key.name}.pub")) as inner:
        yield inner


def through(lab, behind, **changes: object) -> Machine:
    hop = machine(lab, "jump.127.0.0.1")
    return Machine("agent-1", "127.0.0.1", behind.port, "root", (behind.host_key_line,), through=hop, **changes)


def test_one_connection_to_the_jump_host_serves_all_behind_it(lab, behind) -> None:
    machines = [through(lab, behind), replace(through(lab, behind), node="agent-2")]
    with Hosts("e", machines) as hosts:
        outcomes = hosts.run_all("echo hi")
    assert {result.out for result in outcomes.values()} == {"hi\n"}
    assert (lab.connections, behind.connections) == (1, 2)
    assert lab.forwarded == [("127.0.0.1", behind.port)] * 2
    assert lab.commands == []


def test_the_jump_hosts_key_is_checked_before_anything_behind_it(lab, behind) -> None:
    strange = paramiko.ECDSAKey.generate()
    hop = machine(lab, "jump.127.0.0.1", host_keys=(f"{strange.get_name()} {strange.get_base64()}",))
    with Hosts("e", [replace(through(lab, behind), through=hop)]) as hosts, pytest.raises(HostKeyError, match="jump"):
        hosts.run("agent-1", "true")
    assert behind.connections == 0


def test_a_jump_host_that_forbids_forwarding(lab, behind) -> None:
    lab.mode = "no-forwarding"
    with Hosts("e", [through(lab, behind)]) as hosts, pytest.raises(UnreachableError) as caught:
        hosts.run("agent-1", "true")
    assert caught.value.what == "agent-1 cannot be reached through the jump host 127.0.0.1"
    assert "AllowTcpForwarding" in caught.value.cause


def test_the_keys_that_a_host_shows_are_read_without_logging_in(lab, behind) -> None:
    with Hosts("e", [machine(lab, "jump.127.0.0.1")]) as hosts:
        assert hosts.connections.offered_keys(machine(lab, host_keys=())) == (lab.host_key_line,)
        assert hosts.connections.offered_keys(through(lab, behind)) == (behind.host_key_line,)
    assert behind.commands == []


def test_the_operators_key_is_offered_instead_of_the_environments(lab, tmp_path: Path) -> None:
    key = ssh_keys.ensure("e")
    own = machine(lab, key=str(key))
    with Hosts("other", [own]) as hosts:
        assert hosts.run("admin-1", "echo in").out == "in\n"
    third = replace(own, key=str(ssh_keys.ensure("third")))
    with Hosts("other", [third]) as hosts, pytest.raises(UnreachableError, match="refused our SSH key") as caught:
        hosts.run("admin-1", "true")
    assert caught.value.lines[1] == f"offered: {ssh_keys.ensure('third')}"


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `sudo` that asks for the password `right`, and the file that has it."""
    sudo_password.forget()
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sudo").write_text(FAKE_SUDO)
    (folder / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    file = tmp_path / "password"
    file.write_text("right\n")
    file.chmod(0o600)
    return file


FAKE_SUDO = """#!/bin/sh
if [ "$1" = -n ]; then echo 'sudo: a password is required' >&2; exit 1; fi
shift 4
read -r password
[ "$password" = right ] || { echo 'sudo: 1 incorrect password attempt' >&2; exit 1; }
exec "$@"
"""


def test_sudo_with_a_password(lab, sudo: Path) -> None:
    with Hosts("e", [machine(lab, user="ops", sudo_password=str(sudo))]) as hosts:
        data = os.urandom(500_000)
        assert hosts.run("admin-1", "wc -c", sudo=True, stdin=data).out == "500000\n"
        assert hosts.run("admin-1", "cat", sudo=True, stdin="own input").out == "own input"
        assert hosts.run("admin-1", "cat", sudo=True).out == ""
    assert not any("right" in command for command in lab.commands)
    assert sum(command == sudo_password.PROBE for command in lab.commands) == 1


def test_a_wrong_password_is_told_before_any_input_is_sent(lab, sudo: Path) -> None:
    sudo.write_text("wrong\n")
    ops = machine(lab, user="ops", sudo_password=str(sudo))
    with Hosts("e", [ops]) as hosts, pytest.raises(SudoError, match="ops cannot become root on admin-1") as caught:
        hosts.run("admin-1", "cat", sudo=True, stdin="secret")
    assert caught.value.cause == f"the password from {sudo} is not that of ops there"
    assert lab.commands == [sudo_password.PROBE]


@pytest.mark.parametrize(
    ("status", "said", "cause", "step"),
    [
        (1, "sudo: a password is required", "names none", "driver.hosts.admin-1.sudo_password"),
        (1, "ops is not in the sudoers file.", "not in the sudoers", "adduser ops sudo"),
        (1, "sudo: sorry, you must have a tty to run sudo", "at a terminal only", "!requiretty"),
        (127, "sh: 1: sudo: not found", "not installed", "apt-get install sudo"),
        (9, "odd", "see the lines above", "log in as ops"),
    ],
)
def test_why_one_cannot_become_root(status: int, said: str, cause: str, step: str) -> None:
    error = ssh_errors.no_root(Machine("admin-1", "10.0.0.1", 22, "ops", ()), status, [said])
    assert (cause in error.cause, step in error.next_step) == (True, True), error.as_json()


def test_openssh_is_told_the_same_way_in(state: Path) -> None:
    hop = Machine("jump.192.0.2.1", "192.0.2.1", 22, "gate", ("ssh-ed25519 AAAAhop",), key="/keys/gate")
    nodes = [
        Machine("admin-1", "10.0.0.1", 22, "ops", ("ssh-ed25519 AAAAone",), key="/keys/ops", through=hop),
        Machine("agent-1", "10.0.0.2", 22, "ops", ("ssh-ed25519 AAAAtwo",), agent=True, through=hop),
    ]
    with Hosts("e", nodes) as hosts:
        config = hosts.write_ssh_config()
    assert config.read_text().count("Host jump.192.0.2.1\n") == 1
    known = (config.parent / "known_hosts").read_text().splitlines()
    assert known[0] == "jump.192.0.2.1,192.0.2.1 ssh-ed25519 AAAAhop"

    def asked(name: str) -> dict[str, str]:
        done = subprocess.run(["ssh", "-G", "-F", str(config), name], capture_output=True, text=True, check=True)
        return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)

    assert asked("admin-1")["proxyjump"] == "jump.192.0.2.1"
    assert asked("jump.192.0.2.1")["user"] == "gate"
    assert (asked("admin-1")["identitiesonly"], asked("agent-1")["identitiesonly"]) == ("yes", "no")
