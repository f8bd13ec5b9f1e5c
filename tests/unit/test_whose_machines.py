"""Machines of another state folder are told by the certificate that their admin node shows, in one sentence."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from bootstrap import config, ssh_config, state_folder, verify, whose_machines
from bootstrap.certificates import Authority
from bootstrap.cli import main
from bootstrap.errors import ExitStatus, SaltError
from bootstrap.hosts import Result
from bootstrap.model import ADMIN_ROLE, Cluster, Port

ADDRESS = "127.0.73.10"


class Admin:
    """Shows the certificate in `files` to everybody who asks."""

    def __init__(self, files: tuple[Path, Path]) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*files)
        self._socket = socket.create_server((ADDRESS, 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._socket.accept()
                with self._context.wrap_socket(taken, server_side=True):
                    pass
            except ssl.SSLError:
                continue
            except OSError:
                return

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Cluster]]:
    """`shown(folder, env)`: environment small, whose admin node was set up with that state folder, as `env`."""
    servers: list[Admin] = []
    made = config.load("small")

    def start(folder: str, env: str = "small") -> Cluster:
        monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / folder))
        Authority(env).issue("admin-1", ["admin-1"], [ADDRESS])
        ca = tmp_path / folder / env / "ca"
        servers.append(Admin((ca / "admin-1.crt", ca / "admin-1.key")))
        monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "ours"))
        role = replace(made.roles[ADMIN_ROLE], ports=(Port("salt-api", servers[-1].port, "tcp"),))
        nodes = [
            replace(node, address=IPv4Address(ADDRESS)) if ADMIN_ROLE in node.roles else node for node in made.nodes
        ]
        return replace(made, nodes=tuple(nodes), roles={**made.roles, ADMIN_ROLE: role})

    yield start
    for server in servers:
        server.close()


def test_our_own_are_ours(shown: Callable[..., Cluster]) -> None:
    whose_machines.refuse(shown("ours"))


@pytest.mark.parametrize("made", [True, False], ids=["we have a CA of our own", "this folder is empty"])
def test_another_folders_are_refused(shown: Callable[..., Cluster], made: bool) -> None:
    cluster = shown("theirs")
    if made:
        assert Authority("small").ca_pem
    with pytest.raises(SaltError, match="admin-1 was set up with another state folder than this one") as caught:
        whose_machines.refuse(cluster)
    assert "UTOPIA_STATE_DIR" in caught.value.cause


def test_who_does_not_go_by_this_name_proves_nothing(shown: Callable[..., Cluster]) -> None:
    whose_machines.refuse(shown("theirs", "elsewhere"))


def test_nobody_there_proves_nothing(shown: Callable[..., Cluster]) -> None:
    cluster = shown("ours")
    role = replace(cluster.roles[ADMIN_ROLE], ports=(Port("salt-api", 1, "tcp"),))
    whose_machines.refuse(replace(cluster, roles={**cluster.roles, ADMIN_ROLE: role}))


COMMANDS = (["preflight"], ["verify"], ["status"], ["ssh", "admin-1"], ["backup"])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_says_it_in_the_same_words(
    shown: Callable[..., Cluster],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cluster = shown("theirs")
    monkeypatch.setattr(config, "load", lambda _env: cluster)
    monkeypatch.setattr(verify, "verify", lambda *_args, **_more: pytest.fail("it began"))
    monkeypatch.setattr(ssh_config, "path_of", lambda _env: pytest.fail("it began"))
    assert main([words[0], "--env", "small", "--json", *words[1:]]) == ExitStatus.SALT
    assert json.loads(capsys.readouterr().out)["what"] == "admin-1 was set up with another state folder than this one"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_tells_two_environments_of_one_name_apart(
    shown: Callable[..., Cluster],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    state_folder.claim(shown("ours"))
    path = tmp_path / "there" / "small" / "cluster.yaml"
    other = replace(config.load("small"), path=path, network=IPv4Network("10.9.0.0/24"))
    monkeypatch.setattr(config, "load", lambda _env: other)
    assert main([words[0], "--env", "small", "--json", *words[1:]]) == ExitStatus.USAGE
    assert json.loads(capsys.readouterr().out)["what"].startswith("there is another environment named 'small'")


class Hosts:
    """An admin node that has the file with this sum, or none."""

    def __init__(self, found: str) -> None:
        self.found = found

    def run(self, node: str, _command: str, **_more: Any) -> Result:
        return Result(node, 0 if self.found else 1, self.found, "")


@pytest.mark.parametrize(("found", "refused"), [("", False), ("0" * 64 + "  /etc/utopia/ca.crt", True)])
def test_the_file_tells_before_any_service_runs(shown: Callable[..., Cluster], found: str, refused: bool) -> None:
    cluster = shown("ours")
    if refused:
        with pytest.raises(SaltError, match="another state folder"):
            whose_machines.refuse_by_file(cluster, Hosts(found))  # type: ignore[arg-type]
    else:
        whose_machines.refuse_by_file(cluster, Hosts(found))  # type: ignore[arg-type]
