"""Files -> Cluster: reading them strictly, finding the environment, remembering ids."""

import json
import re
import stat
from ipaddress import IPv4Address, IPv4Network

import pytest
import yaml

from bootstrap import cli, config, paths, pure_yaml
from bootstrap.checks.settings import DERIVED
from bootstrap.errors import ExitStatus, InvalidTopologyError, UsageError

ENVIRONMENTS = ("local", "prod", "small", "vagrant")

SOUND = """\
driver: {name: docker}
domain: lab.example
network: 10.1.0.0/24
nodes:
  admin-1: {address: 10.1.0.10, roles: [admin]}
  control-1: {address: 10.1.0.11, roles: [zookeeper, mesos-master], zookeeper_id: 1}
  "agent-[1:2]":
    address: "10.1.0.[21:22]"
    roles: [docker, mesos-agent]
    attributes: {rack: r1, slot: 4}
    resources: {cpus: 2, mem: "2048"}
settings:
  zookeeper: {heap: 256m}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A cluster.yaml outside the checkout, in a folder `lab`."""
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    folder = tmp_path / "lab"
    folder.mkdir()
    path = folder / "cluster.yaml"
    path.write_text(SOUND)
    return path


# --- reading ------------------------------------------------------------------------------------


def test_a_sound_file_becomes_a_cluster(file):
    cluster = config.load(str(file))
    assert (cluster.env, cluster.driver, cluster.driver_settings) == ("lab", "docker", {})
    assert (cluster.domain, cluster.network) == ("lab.example", IPv4Network("10.1.0.0/24"))
    assert cluster.production is False
    assert cluster.settings == {"zookeeper": {"heap": "256m"}}
    assert [(node.name, node.address) for node in cluster.nodes] == [
        ("admin-1", IPv4Address("10.1.0.10")),
        ("control-1", IPv4Address("10.1.0.11")),
        ("agent-1", IPv4Address("10.1.0.21")),
        ("agent-2", IPv4Address("10.1.0.22")),
    ]
    agent = cluster.nodes[3]
    assert agent.roles == ("docker", "mesos-agent")
    assert agent.attributes == {"rack": "r1", "slot": "4"}
    assert agent.resources == {"cpus": "2", "mem": "2048"}
    assert [node.zookeeper_id for node in cluster.nodes] == [None, 1, None, None]


def test_the_role_table_comes_whole(file):
    roles = config.load(str(file)).roles
    assert roles["zookeeper"].components == ("java", "zookeeper")
    assert roles["zookeeper"].counts == (1, 3, 5)
    assert [(port.name, port.number, port.protocol) for port in roles["zookeeper"].ports] == [
        ("client", 2181, "tcp"),
        ("peer", 2888, "tcp"),
        ("election", 3888, "tcp"),
    ]
    assert roles["mesos-agent"].beside == ("docker",)
    assert roles["mesos-agent"].restart == {"mesos-agent": "10%"}
    assert roles["mesos-master"].pages[0].url("10.0.0.1") == "http://10.0.0.1:5050/master/state"


def test_every_node_carries_base(file):
    cluster = config.load(str(file))
    assert cluster.with_role("base") == cluster.nodes
    assert [node.name for node in cluster.with_role("docker")] == ["agent-1", "agent-2"]


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_the_environments_of_the_checkout_are_sound(env, tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    checked = config.check(env)
    assert [str(finding) for finding in checked.findings] == []
    assert checked.cluster is not None


def test_prod_is_a_complete_example(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    cluster = config.load("prod")
    assert cluster.production
    assert cluster.driver == "ssh"
    assert len(cluster.with_role("zookeeper")) == len(cluster.with_role("mesos-master")) == 3
    assert len(cluster.with_role("mesos-agent")) >= 20
    assert len([node for node in cluster.nodes if node.name.startswith("edge-")]) == 2


@pytest.mark.parametrize(
    ("text", "line", "path", "message", "fix"),
    [
        ("", 1, "", "the file is empty", "see pillar/env/prod/cluster.yaml for a complete example"),
        (
            "# nothing but words\n",
            1,
            "",
            "the file is empty",
            "see pillar/env/prod/cluster.yaml for a complete example",
        ),
        (
            "domain: a.example\ndriver: {name: docker\nnodes: {}\n",
            3,
            "",
            "YAML syntax: while parsing a flow mapping did not find expected ',' or '}'",
            "correct the YAML at or just above this line: indentation, quotes, brackets",
        ),
        (
            "domain: a.example\nnodes:\n\tadmin-1: {}\n",
            3,
            "",
            "YAML syntax: while scanning for the next token found character that cannot start any token",
            "indent with spaces, not with tabs",
        ),
        (
            "nodes:\n  agent-1: {address: 10.1.0.[1:2], roles: []}\n",
            2,
            "",
            "YAML syntax: while parsing a flow mapping did not find expected ',' or '}'",
            'put the range between quotes, as in "agent-[1:20]"',
        ),
        (
            "domain: a: b\n",
            1,
            "",
            "YAML syntax: mapping values are not allowed in this context",
            "put quotes around a value that holds a colon, or correct the indentation",
        ),
        (
            "domain: a.example\n---\ndomain: b.example\n",
            2,
            "",
            "YAML syntax: expected a single document in the stream but found another document",
            "keep one document per file: remove the second ---",
        ),
        (
            "domain: a.example\nnodes:\n  admin-1: {address: {{ ip }}}\n",
            3,
            "",
            "Jinja in a file that is pure YAML: admin-1: {address: {{ ip }}}",
            "write the value itself; what can be derived is derived by `bootstrap plan`",
        ),
        (
            "{% set x = 1 %}\ndomain: a.example\n",
            1,
            "",
            "Jinja in a file that is pure YAML: {% set x = 1 %}",
            "write the value itself; what can be derived is derived by `bootstrap plan`",
        ),
        (
            "domain: a.example\nnetwork: x\ndomain: b.example\n",
            3,
            "domain",
            "the key domain is there twice, and YAML would keep only the last",
            "remove one of the two",
        ),
        (
            "nodes:\n  a-1:\n    roles: []\n  a-1:\n    roles: []\n",
            4,
            "nodes.a-1",
            "the key a-1 is there twice, and YAML would keep only the last",
            "remove one of the two",
        ),
        (
            "nodes: {a-1: {roles: [], roles: [docker]}}\n",
            1,
            "nodes.a-1.roles",
            "the key roles is there twice, and YAML would keep only the last",
            "remove one of the two",
        ),
        (
            "domain: !!python/object:os.system x\n",
            1,
            "domain",
            "the tag tag:yaml.org,2002:python/object:os.system is not plain YAML",
            "write the value without a tag",
        ),
        (
            "a: &a {x: y}\nnodes:\n  b:\n    <<: *a\n",
            4,
            "nodes.b",
            "merge keys are not supported",
            "write the keys out",
        ),
        ("domain: 2024-13-99\n", 1, "domain", "not a value: month must be in 1..12", "put quotes around it"),
        ("? [a, b]\n: c\n", 1, "", "a key must be text", "put quotes around it"),
    ],
)
def test_what_is_not_plain_yaml(file, text, line, path, message, fix):
    file.write_text(text)
    first = pure_yaml.read(file, "cluster.yaml").findings[0]
    assert (first.line, first.path, first.message, first.fix) == (line, path, message, fix)
    with pytest.raises(InvalidTopologyError):
        config.load(str(file))


def test_jinja_in_a_comment_is_no_jinja(file):
    file.write_text("# not {{ read }}\n" + SOUND + "# {% nor this %}\n")
    assert config.load(str(file)).env == "lab"


def test_every_line_with_jinja_is_told(file):
    file.write_text(SOUND.replace("lab.example", "{{ domain }}").replace("256m", "{{ heap }}"))
    assert [finding.line for finding in config.check(str(file)).findings] == [2, 13]


def test_an_anchor_that_holds_itself_ends(file):
    file.write_text("nodes: &n\n  a-1: *n\n")
    assert config.check(str(file)).findings


def test_aliases_that_multiply_end(file):
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30))
    file.write_text(f"a0: &a0 [x]\n{levels}\n")
    assert config.check(str(file)).findings


@pytest.mark.parametrize(
    ("content", "message"), [(b"domain: \xff\n", "is not UTF-8 text"), (None, "cannot be read: Is a directory")]
)
def test_a_file_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "cluster.yaml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    (finding,) = pure_yaml.read(path, "cluster.yaml").findings
    assert finding.message == message


def test_both_files_are_told_of_at_once(file, tmp_path):
    (tmp_path / "pillar").mkdir()
    (tmp_path / "pillar/roles.yaml").write_text("roles: {\n")
    file.write_text("nodes: [\n")
    checked = config.check(str(file), pillar=tmp_path / "pillar")
    assert [finding.file.rsplit("/", 1)[1] for finding in checked.findings] == ["roles.yaml", "cluster.yaml"]


def test_findings_are_in_the_order_of_the_file(file):
    file.write_text(SOUND.replace("mem:", "memory:").replace("docker}", "dokcer}").replace("heap", "heep"))
    assert [finding.line for finding in config.check(str(file)).findings] == [1, 11, 13]


def test_the_error_holds_every_finding(file):
    file.write_text(SOUND.replace("docker}", "dokcer}").replace("zookeeper_id: 1", "zookeeper_id: 300"))
    with pytest.raises(InvalidTopologyError) as caught:
        config.load(str(file))
    assert caught.value.status is ExitStatus.INVALID
    assert caught.value.what == f"2 things wrong in the files of environment {file}"
    assert caught.value.lines == (
        f"{file}:1: driver.name: unknown driver dokcer; did you mean docker?",
        f"{file}:6: nodes.control-1.zookeeper_id: an id is a number from 1 to 255 (found 300); choose a free one: 1",
    )
    found = caught.value.as_json()["findings"]
    assert [(one["line"], one["path"], one["value"]) for one in found] == [
        (1, "driver.name", None),
        (6, "nodes.control-1.zookeeper_id", 300),
    ]
    json.dumps(caught.value.as_json())


# --- which environment --------------------------------------------------------------------------


def test_a_path_of_a_file_or_of_its_folder(file, monkeypatch):
    assert config.locate(str(file)) == file
    assert config.locate(str(file.parent)) == file
    monkeypatch.chdir(file.parent)
    assert config.load("./cluster.yaml").env == "lab"
    assert config.load("cluster.yaml").env == "lab"
    assert config.load(".").env == "lab"


def test_files_of_the_checkout_have_short_names():
    assert config.check("local").cluster.path == paths.PILLAR / "env/local/cluster.yaml"
    with pytest.raises(UsageError) as caught:
        config.locate("locla")
    assert caught.value.where == "pillar/env"


@pytest.mark.parametrize(
    ("env", "what", "next_step"),
    [
        ("locla", "there is no environment locla", "did you mean --env local?"),
        ("Prod", "there is no environment Prod", "did you mean --env prod?"),
        (
            "staging",
            "there is no environment staging",
            "create pillar/env/staging/cluster.yaml, or choose one that is there",
        ),
        (
            "/nowhere/cluster.yaml",
            "there is no file /nowhere/cluster.yaml",
            "give the path of a cluster.yaml, or a name",
        ),
    ],
)
def test_an_environment_that_is_not_there(env, what, next_step):
    with pytest.raises(UsageError) as caught:
        config.locate(env)
    assert (caught.value.what, caught.value.next_step) == (what, next_step)
    assert caught.value.status is ExitStatus.USAGE


def test_the_ones_that_are_there_are_listed():
    assert set(ENVIRONMENTS) <= set(config.environments())
    with pytest.raises(UsageError) as caught:
        config.locate("staging")
    assert caught.value.lines == (f"there is: {', '.join(config.environments())}",)


# --- remembered ids -----------------------------------------------------------------------------


def test_ids_are_remembered_and_changes_refused(file):
    config.remember_ids(config.load(str(file)))
    assert config.load(str(file)).env == "lab"
    file.write_text(SOUND.replace("zookeeper_id: 1", "zookeeper_id: 2"))
    with pytest.raises(InvalidTopologyError, match="1 thing wrong") as caught:
        config.load(str(file))
    assert "was 1 at the last run" in caught.value.lines[0]
    assert "zookeeper-ids.json" in caught.value.lines[0]


def test_ids_of_nodes_that_are_gone_stay_remembered(file):
    config.remember_ids(config.load(str(file)))
    file.write_text(SOUND.replace("control-1:", "control-9:").replace("zookeeper_id: 1", "zookeeper_id: 9"))
    config.remember_ids(config.load(str(file)))
    kept = paths.state_dir("lab") / "zookeeper-ids.json"
    assert json.loads(kept.read_text()) == {"control-1": 1, "control-9": 9}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["zookeeper-ids.json"]


def test_nothing_is_written_when_nothing_changed(file):
    cluster = config.load(str(file))
    config.remember_ids(cluster)
    before = (paths.state_dir("lab") / "zookeeper-ids.json").stat()
    config.remember_ids(cluster)
    after = (paths.state_dir("lab") / "zookeeper-ids.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_forgotten_ids_are_free_again(file):
    cluster = config.load(str(file))
    config.remember_ids(cluster)
    config.forget_ids(cluster.env)
    config.forget_ids(cluster.env)
    file.write_text(SOUND.replace("zookeeper_id: 1", "zookeeper_id: 2"))
    assert config.load(str(file)).nodes[1].zookeeper_id == 2


# --- the command --------------------------------------------------------------------------------


def test_validate_says_it_in_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path / "state"))
    assert cli.main(["validate", "--env", "local"]) == ExitStatus.OK
    assert re.fullmatch(r"local: 7 nodes, [0-9]+ roles, no findings\n", capsys.readouterr().out)
    assert not (tmp_path / "state").exists()


def test_validate_tells_warnings_and_is_content(capsys, file):
    file.write_text(SOUND.replace("lab.example", "lab.local"))
    assert cli.main(["validate", "--env", str(file)]) == ExitStatus.OK
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"warning: {file}:2: domain: names under .local")
    assert last == "lab: 4 nodes, 6 roles, 1 warning"


def test_validate_refuses_with_its_own_status(capsys, file):
    file.write_text(SOUND.replace("docker}", "dokcer}"))
    assert cli.main(["validate", "--env", str(file)]) == ExitStatus.INVALID
    printed = capsys.readouterr()
    assert f"{file}:1: driver.name: unknown driver dokcer; did you mean docker?" in printed.err
    assert f"next:  correct the files, then: bootstrap validate --env {file}" in printed.err


def test_validate_as_json(capsys, file):
    assert cli.main(["validate", "--json", "--env", str(file)]) == ExitStatus.OK
    good = json.loads(capsys.readouterr().out)
    assert (good["env"], good["nodes"], good["findings"]) == ("lab", 4, [])
    assert good["roles"] == ["base", "admin", "zookeeper", "docker", "mesos-master", "mesos-agent"]
    file.write_text(SOUND.replace("docker}", "dokcer}"))
    assert cli.main(["validate", "--json", "--env", str(file)]) == ExitStatus.INVALID
    assert json.loads(capsys.readouterr().out)["findings"][0]["fix"] == "did you mean docker?"


# --- the tree the table speaks of ---------------------------------------------------------------


def test_services_that_are_rolled_have_a_restart_and_a_probe(tmp_path, monkeypatch):
    monkeypatch.setenv("UTOPIA_STATE_DIR", str(tmp_path))
    probes = (paths.SALT / "_modules/readiness.py").read_text(encoding="utf-8")
    roles = config.load("local").roles
    for role in (row.beside_roles(roles) for row in roles.values()):
        if role.probe:
            assert f'"{role.probe}":' in probes, f"no readiness probe {role.probe}"
        for service in role.restart:
            assert role.probe, f"{role.name} is rolled without a probe between"
            assert (paths.SALT / service / "restart.sls").is_file()


def test_every_default_of_the_states_may_be_written_down(file):
    settings = {}
    for path in sorted(paths.SALT.glob("*/defaults.yaml")):
        defaults = yaml.safe_load(path.read_text(encoding="utf-8"))
        for dotted in DERIVED:
            component, *way, last = dotted.split(".")
            inner = defaults if component == path.parent.name else {}
            for key in way:
                inner = inner.get(key, {})
            inner.pop(last, None)
        settings[path.parent.name] = defaults
    assert settings
    file.write_text(SOUND.split("settings:", maxsplit=1)[0] + yaml.safe_dump({"settings": settings}))
    told = [finding for finding in config.check(str(file)).findings if "without effect" not in finding.message]
    assert [str(finding) for finding in told] == []
