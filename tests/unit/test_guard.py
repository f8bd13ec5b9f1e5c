"""Nothing destructive happens to an environment marked production without its name."""

import argparse
import importlib

import pytest

from bootstrap import cli, config, guard, paths, terminal
from bootstrap.drivers import docker, ssh
from bootstrap.errors import UsageError

DESTRUCTIVE = ("destroy", "restore")
TOPOLOGY = """\
driver: {name: ssh}
domain: live.example
network: 10.1.0.0/24
production: true
nodes:
  admin-1: {address: 10.1.0.10, roles: [admin]}
"""


@pytest.fixture(autouse=True)
def typed(monkeypatch):
    """Nobody is at the terminal, until somebody types."""

    def at_terminal(text):
        monkeypatch.setattr(terminal, "typed", lambda _question: text)

    at_terminal(None)
    return at_terminal


def confirm(given=None, *, production=True):
    guard.confirm("live", production=production, action="removes", given=given)


def test_without_a_terminal_the_name_must_be_given():
    with pytest.raises(UsageError, match="marked production: true, and this removes") as refused:
        confirm()
    assert refused.value.next_step == "add --yes live if you mean it"
    confirm("live")
    confirm(production=False)


@pytest.mark.parametrize("production", [True, False])
def test_a_wrong_name_is_refused_everywhere(production):
    with pytest.raises(UsageError, match="--yes stage is not the name"):
        confirm("stage", production=production)


def test_at_a_terminal_the_name_is_asked_for(typed):
    typed("live")
    confirm()
    for wrong in ("y", "yes", "liv", ""):
        typed(wrong)
        with pytest.raises(UsageError, match="nothing was done"):
            confirm()


@pytest.mark.parametrize(
    ("text", "production"),
    [
        ("production: true\n", True),
        ("production: yes please\n", True),
        ("production: false\nnodes: [\n", False),
        ("production: true\nnodes: [\n", True),
        ("  production: true\nnodes: [\n", False),
        ("nodes: {}\n", False),
        ("nodes: [\n", False),
    ],
)
def test_a_broken_file_is_believed_when_it_says_production(tmp_path, text, production):
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    assert guard.says_production(path) == production


@pytest.fixture
def live(tmp_path, monkeypatch):
    """An environment `live` with a state folder, and drivers that only tell."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "live").mkdir()
    path = tmp_path / "live/cluster.yaml"
    path.write_text(TOPOLOGY)
    (paths.state_dir("live") / "ca.key").write_text("key")
    removed = []
    monkeypatch.setattr(ssh.SshDriver, "destroy", lambda _self, node=None: removed.append(node) or ())
    monkeypatch.setattr(docker, "destroy", lambda _env, node=None: removed.append(node) or ())
    return path, removed


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("words", [[], ["--state"], ["--node", "admin-1"], ["--state", "--yes", "stage"]])
def test_destroy_asks_also_where_the_file_is_broken(live, words, broken):
    path, removed = live
    if broken:
        path.write_text(TOPOLOGY + "unknown: key\n")
    assert cli.main(["destroy", "--env", str(path), *words]) == 2
    assert removed == []
    assert (paths.state_dir("live") / "ca.key").exists()
    assert cli.main(["destroy", "--env", str(path), "--state", "--yes", "live"]) == 0
    assert removed == [None]
    assert not (paths.state_path("live") / "ca.key").exists()


@pytest.mark.parametrize("name", DESTRUCTIVE)
def test_what_destroys_takes_the_name(name):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"bootstrap.cli.{name}").add_arguments(parser)
    assert parser.parse_args(["--yes", "live"]).yes == "live"


def test_every_command_with_the_guard_is_known_here():
    guarded = [path.stem for path in (paths.CHECKOUT / "bootstrap/cli").glob("*.py") if "guard." in path.read_text()]
    assert sorted(guarded) == sorted(DESTRUCTIVE)


def test_prod_is_guarded(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    assert config.load("prod").production
    assert cli.main(["destroy", "--env", "prod", "--state"]) == 2
