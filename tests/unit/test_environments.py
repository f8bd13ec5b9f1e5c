"""Several environments: shown, compared, and versions carried from one to another."""

import json
from dataclasses import replace

import pytest

from bootstrap import catalogue, cli, config, environments
from bootstrap.errors import UsageError
from bootstrap.journal import Journal

TOPOLOGY = """\
# Ours.
driver: {name: docker}
domain: NAME.example
network: 10.1.0.0/24
VERSIONS
nodes:
  admin-1: {address: 10.1.0.10, roles: [admin]}
  control-1: {address: 10.1.0.11, roles: [zookeeper, mesos-master], zookeeper_id: 1}  # one is enough here
"""


@pytest.fixture(autouse=True)
def _releases(monkeypatch, tmp_path):
    """A catalogue in which there is a choice."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    entries = catalogue.load()
    other = replace(entries["mesos"], version="1.11.1", file="utopia-mesos_1.11.1-1_amd64.deb")
    entries["mesos"] = replace(entries["mesos"], releases={"1.11.1": other})
    monkeypatch.setattr(catalogue, "load", lambda *_: entries)


@pytest.fixture
def file(tmp_path):
    def write(name, versions=""):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "cluster.yaml"
        path.write_text(TOPOLOGY.replace("NAME", name).replace("VERSIONS\n", versions))
        return str(path)

    return write


def run(*words):
    return cli.main(["env", *words])


def proven(tmp_path, env, status=0):
    folder = tmp_path / "state" / env
    folder.mkdir(parents=True)
    Journal(folder).write("run-end", status=status)


def test_list_tells_of_every_environment(capsys):
    assert run("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["environments"]
    assert [row["env"] for row in rows] == config.environments()
    prod = next(row for row in rows if row["env"] == "prod")
    assert (prod["production"], prod["files"], prod["last run"]) == ("yes", "sound", "never")


def test_show_has_versions_and_the_last_run(file, tmp_path, capsys):
    proven(tmp_path, "stage")
    assert run("show", file("stage", 'versions: {mesos: "1.11.1"}\n'), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["version of mesos"], shown["nodes"], shown["nodes with zookeeper"]) == ("1.11.1", 2, 1)
    assert shown["last run"].endswith("ok")


def test_diff_tells_only_what_differs(file, capsys):
    pair = file("stage", 'versions: {mesos: "1.11.1"}\n'), file("live")
    assert run("diff", *pair, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["differences"]
    assert rows == [
        {"what": "domain", "stage": "stage.example", "live": "live.example"},
        {"what": "version of mesos", "stage": "1.11.1", "live": "1.11.0"},
    ]
    assert run("diff", pair[0], pair[0]) == 0
    assert capsys.readouterr().out == "stage and stage: 0 differences\n"


def test_promotion_writes_versions_and_keeps_the_rest(file, tmp_path, capsys):
    proven(tmp_path, "stage")
    stage, live = file("stage", 'versions: {mesos: "1.11.1"}\n'), file("live")
    before = (tmp_path / "live/cluster.yaml").read_text()
    assert run("promote", stage, live, "--dry-run") == 0
    told = capsys.readouterr().out
    assert "mesos     1.11.0  1.11.1" in told
    assert "nothing was touched" in told and "warning" not in told
    assert (tmp_path / "live/cluster.yaml").read_text() == before
    assert run("promote", stage, live) == 0
    assert (tmp_path / "live/cluster.yaml").read_text() == before + '\nversions:\n  mesos: "1.11.1"\n'
    assert environments.versions_of(config.load(live))["mesos"] == "1.11.1"
    assert run("promote", stage, live) == 0
    assert "written there already" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "said"), [(None, "last run: never"), (13, "failed with status 13")])
def test_what_was_not_proven_is_told(file, tmp_path, capsys, status, said):
    if status is not None:
        proven(tmp_path, "stage", status)
    assert run("promote", file("stage"), file("live"), "--json") == 0
    assert said in json.loads(capsys.readouterr().out)["warnings"][0]


def test_a_file_that_would_not_load_is_put_back(file, tmp_path, monkeypatch):
    source, target = config.load(file("stage")), config.load(file("live"))
    before = target.path.read_text()
    promoted = replace(environments.promotion(source, target), text="nodes: {}\n")
    with pytest.raises(config.InvalidFilesError):
        environments.write(promoted, target)
    assert target.path.read_text() == before
    assert [path.name for path in target.path.parent.iterdir()] == ["cluster.yaml"]


def test_an_environment_is_not_promoted_to_itself(file):
    cluster = config.load(file("stage"))
    with pytest.raises(UsageError, match="to itself"):
        environments.promotion(cluster, cluster)


@pytest.mark.parametrize("words", [["list", "local"], ["diff", "local"], ["promote", "a"], ["show", "a", "b"]])
def test_the_number_of_names_is_checked(words, capsys):
    assert run(*words) == 2
    assert "takes" in capsys.readouterr().err


def test_the_chosen_release_is_what_nodes_are_given(file):
    cluster = config.load(file("stage", 'versions: {mesos: "1.11.1"}\n'))
    assert catalogue.chosen(catalogue.load(), cluster.versions)["mesos"].file == "utopia-mesos_1.11.1-1_amd64.deb"
    assert catalogue.chosen(catalogue.load(), {})["mesos"].version == "1.11.0"
