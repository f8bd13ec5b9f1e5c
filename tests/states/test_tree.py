"""The files under salt/ themselves: their sizes, their defaults, and the numbers they share with the role table."""

from __future__ import annotations

import ast
import statistics

import pytest
import yaml

from bootstrap import config, paths

COMPONENTS = sorted(path.parent.name for path in paths.SALT.glob("*/init.sls"))
SLS = sorted(paths.SALT.rglob("*.sls"))
DEFAULTS = sorted(paths.SALT.glob("*/defaults.yaml"))


def defaults(component):
    return yaml.safe_load((paths.SALT / component / "defaults.yaml").read_text(encoding="utf-8"))


def test_sls_files_are_short():
    lines = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SLS}
    assert {path: count for path, count in lines.items() if count > 60} == {}
    assert statistics.median(lines.values()) <= 25


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_has_its_parts(component):
    folder = paths.SALT / component
    assert (folder / "install.sls").exists() or not defaults(component).get("packages")
    assert (folder / "defaults.yaml").exists() == (folder / "map.jinja").exists()


@pytest.mark.parametrize("path", DEFAULTS, ids=lambda path: path.parent.name)
def test_defaults_are_plain_yaml(path):
    text = path.read_text(encoding="utf-8")
    assert "{%" not in text
    assert "{{" not in text
    assert isinstance(yaml.safe_load(text), dict)


def test_salt_folder_never_shadows_the_salt_package():
    assert [path for path in paths.SALT.rglob("__init__.py") if "__pycache__" not in path.parts] == []


def test_ports_are_those_of_the_role_table():
    roles = config.load("local").roles
    port = {(role.name, port.name): port.number for role in roles.values() for port in role.ports}
    assert defaults("zookeeper")["config"]["clientPort"] == port["zookeeper", "client"]
    assert defaults("mesos-master")["flags"]["port"] == port["mesos-master", "http"]
    assert defaults("mesos-agent")["flags"]["port"] == port["mesos-agent", "http"]
    assert defaults("artifact-server")["port"] == port["admin", "artifacts"]
    numbers = {
        node.value
        for node in ast.walk(ast.parse((paths.SALT / "_modules/readiness.py").read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and 1024 < node.value < 65536
    }
    assert numbers == {2181, 5050, 5051}


def test_first_boots_enable_no_service_of_a_role():
    preset = (paths.SALT / "base/files/utopia.preset").read_text(encoding="utf-8")
    units = {path.name for path in paths.SALT.glob("*/files/*.service") if path.parts[-3] != "base"}
    units |= {"docker.service", "nginx.service"}
    assert {unit for unit in units if f"disable {unit}" not in preset} == set()


def test_mesos_is_told_to_authenticate_everyone():
    master, agent = defaults("mesos-master")["flags"], defaults("mesos-agent")["flags"]
    needed = ["agents", "frameworks", "http_frameworks", "http_readonly", "http_readwrite"]
    assert [master[f"authenticate_{name}"] for name in needed] == ["true"] * 5
    assert [agent[f"authenticate_{name}"] for name in ("http_executors", "http_readonly", "http_readwrite")] == [
        "true"
    ] * 3


def test_zookeeper_answers_the_questions_that_are_asked_of_it():
    settings = defaults("zookeeper")["config"]
    assert {"srvr", "mntr", "ruok"} <= set(settings["4lw.commands.whitelist"].split(","))
    assert settings["autopurge.purgeInterval"] >= 1
    assert settings["admin.enableServer"] == "false"
