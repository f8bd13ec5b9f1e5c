from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import orjson
import pytest
from simulated_agent import SimulatedAgent, used

from services.scheduler.definitions.app import (
    App,
    Container,
    Fetch,
    HealthCheck,
    Network,
    PortDefinition,
    PortMapping,
    Volume,
)
from services.scheduler.placement.constraints import Tally
from services.scheduler.placement.matching import Match, Remaining, match
from services.scheduler.placement.new_relic import NewRelic
from services.scheduler.placement.offer import Offer
from services.scheduler.placement.task_info import TaskSettings, build, task_name

Json = dict[str, Any]
WHEN = "2026-01-01T00:00:00.000Z"
APP = App(id="/team/web", version=WHEN, last_scaling_at=WHEN, last_config_change_at=WHEN, cpus=0.5, mem=64, cmd="run")
BRIDGE = (Network("container/bridge"),)
NET = (Network("container", "mynet"),)
HTTP = PortMapping(80, host_port=31005, name="http-api")
DOCKER = Container(image="web:1", port_mappings=(HTTP,))
PLAIN = TaskSettings()


def task(app: App, settings: TaskSettings = PLAIN) -> Json:
    offer = Offer.parse(SimulatedAgent("h-1").offer_document("o", "f", "*"))
    result = match(app, Remaining(offer), Tally(app), now=0, rng=random.Random(1))
    assert isinstance(result, Match), result
    return build(app, result.instance(app, staged_at=WHEN), result, settings=settings)


def environment(info: Json) -> dict[str, str]:
    return {v["name"]: v["value"] for v in info["command"]["environment"]["variables"]}


def test_a_plain_command() -> None:
    info = task(APP)
    assert info["name"] == "web.team"
    assert info["task_id"]["value"].startswith("team_web.instance-")
    assert info["task_id"]["value"].endswith("._app.1")
    assert info["agent_id"] == {"value": "agent-h-1"}
    assert (info["command"]["shell"], info["command"]["value"]) == (True, "run")
    assert used(info["resources"]) == ({("cpus", "*"): 500, ("mem", "*"): 64000}, [])
    assert not {"container", "health_check", "check", "kill_policy", "limits", "executor"} & set(info)
    assert "user" not in info["command"]


COMMANDS = {
    "cmd in an image": ({"container": DOCKER}, {"shell": True, "value": "run"}),
    "args in an image": (
        {"container": DOCKER, "cmd": None, "args": ("a", "b")},
        {"shell": False, "arguments": ["a", "b"]},
    ),
    "what the image runs": ({"container": DOCKER, "cmd": None}, {"shell": False}),
    "args without an image": (
        {"cmd": None, "args": ("sleep", "9")},
        {"shell": False, "value": "sleep", "arguments": ["sleep", "9"]},
    ),
    "user": ({"user": "nobody"}, {"shell": True, "value": "run", "user": "nobody"}),
    "fetch": (
        {"fetch": (Fetch("http://h/x.tgz"), Fetch("http://h/y", False, True, True, "bin/y"))},
        {
            "shell": True,
            "value": "run",
            "uris": [
                {"value": "http://h/x.tgz", "extract": True, "executable": False, "cache": False},
                {"value": "http://h/y", "extract": False, "executable": True, "cache": True, "output_file": "bin/y"},
            ],
        },
    ),
}


@pytest.mark.parametrize(("app", "expected"), COMMANDS.values(), ids=COMMANDS)
def test_command(app: Json, expected: Json) -> None:
    command = task(replace(APP, **app))["command"]
    assert command.pop("environment")
    assert command == expected


def test_the_operators_user_unless_the_application_has_one() -> None:
    settings = TaskSettings(mesos_user="mesos")
    assert task(APP, settings)["command"]["user"] == "mesos"
    assert task(replace(APP, user="nobody"), settings)["command"]["user"] == "nobody"


BASE = {"image": "web:1", "privileged": False, "force_pull_image": False, "parameters": []}
PORTS = [{"host_port": 31005, "container_port": 80, "protocol": "tcp"}]
CONTAINERS: dict[str, tuple[Json, Json | None]] = {
    "bridge": (
        {"networks": BRIDGE, "container": DOCKER},
        {"type": "DOCKER", "docker": {**BASE, "network": "BRIDGE", "port_mappings": PORTS}, "volumes": []},
    ),
    "host": (
        {"container": replace(DOCKER, port_mappings=())},
        {"type": "DOCKER", "docker": {**BASE, "network": "HOST"}, "volumes": []},
    ),
    "user's network": (
        {"networks": NET, "container": DOCKER},
        {
            "type": "DOCKER",
            "docker": {**BASE, "network": "USER", "port_mappings": PORTS},
            "volumes": [],
            "network_infos": [{"name": "mynet"}],
        },
    ),
    "two protocols": (
        {
            "networks": BRIDGE,
            "container": replace(DOCKER, port_mappings=(replace(HTTP, protocol="udp,tcp"),)),
        },
        {
            "type": "DOCKER",
            "docker": {
                **BASE,
                "network": "BRIDGE",
                "port_mappings": [{**PORTS[0], "protocol": "udp"}, {**PORTS[0], "protocol": "tcp"}],
            },
            "volumes": [],
        },
    ),
    "everything of Docker": (
        {
            "container": Container(
                image="web:1",
                force_pull_image=True,
                privileged=True,
                parameters=(("label", "a=b"), ("label", "c=d")),
                volumes=(Volume("/in", "/out", "RO"),),
            ),
        },
        {
            "type": "DOCKER",
            "docker": {
                "image": "web:1",
                "network": "HOST",
                "privileged": True,
                "force_pull_image": True,
                "parameters": [{"key": "label", "value": "a=b"}, {"key": "label", "value": "c=d"}],
            },
            "volumes": [{"container_path": "/in", "host_path": "/out", "mode": "RO"}],
        },
    ),
    "Mesos": ({"container": Container("MESOS")}, {"type": "MESOS", "volumes": []}),
    "Mesos with an image": (
        {"container": Container("MESOS", "web:1", force_pull_image=True)},
        {
            "type": "MESOS",
            "volumes": [],
            "mesos": {"image": {"type": "DOCKER", "docker": {"name": "web:1"}, "cached": False}},
        },
    ),
    "Mesos in a bridge": (
        {"networks": BRIDGE, "container": Container("MESOS", port_mappings=(HTTP,))},
        {"type": "MESOS", "volumes": [], "network_infos": [{"name": "mesos-bridge", "port_mappings": PORTS}]},
    ),
    "terminal": ({"tty": True}, {"type": "MESOS", "volumes": [], "tty_info": {}}),
}


@pytest.mark.parametrize(("app", "expected"), CONTAINERS.values(), ids=CONTAINERS)
def test_container(app: Json, expected: Json) -> None:
    assert task(replace(APP, **app))["container"] == expected


def test_about_the_application() -> None:
    app = replace(APP, labels={"HAPROXY_GROUP": "x", "team.name": "y", "long": "z" * 600}, container=DOCKER, gpus=0)
    variables = environment(task(app))
    assert {name: value for name, value in variables.items() if name.startswith("MARATHON_")} == {
        "MARATHON_APP_ID": "/team/web",
        "MARATHON_APP_VERSION": WHEN,
        "MARATHON_APP_DOCKER_IMAGE": "web:1",
        "MARATHON_APP_RESOURCE_CPUS": "0.5",
        "MARATHON_APP_RESOURCE_MEM": "64.0",
        "MARATHON_APP_RESOURCE_DISK": "0.0",
        "MARATHON_APP_RESOURCE_GPUS": "0",
        "MARATHON_APP_LABELS": "HAPROXY_GROUP TEAM_NAME",
        "MARATHON_APP_LABEL_HAPROXY_GROUP": "x",
        "MARATHON_APP_LABEL_TEAM_NAME": "y",
    }
    assert variables["HOST"] == "h-1"
    assert variables["MESOS_TASK_ID"].startswith("team_web.instance-")


PORT_VARIABLES: dict[str, tuple[Json, dict[str, str]]] = {
    "none": ({}, {}),
    "host network": (
        {"port_definitions": (PortDefinition(31001, name="http-api"), PortDefinition(31002)), "require_ports": True},
        {
            "PORT": "31001",
            "PORTS": "31001,31002",
            "PORT0": "31001",
            "PORT1": "31002",
            "PORT_31001": "31001",
            "PORT_31002": "31002",
            "PORT_HTTP_API": "31001",
        },
    ),
    "bridge": (
        {
            "networks": BRIDGE,
            "container": replace(DOCKER, port_mappings=(HTTP, PortMapping(81, host_port=None))),
        },
        {
            "PORT": "31005",
            "PORTS": "31005,81",
            "PORT0": "31005",
            "PORT1": "81",
            "PORT_80": "31005",
            "PORT_81": "81",
            "PORT_HTTP_API": "31005",
        },
    ),
}


@pytest.mark.parametrize(("app", "expected"), PORT_VARIABLES.values(), ids=PORT_VARIABLES)
def test_port_variables(app: Json, expected: dict[str, str]) -> None:
    variables = environment(task(replace(APP, **app)))
    assert {name: value for name, value in variables.items() if name.startswith("PORT")} == expected


def test_a_service_port_is_no_host_port() -> None:
    variables = environment(task(replace(APP, port_definitions=(PortDefinition(10001),))))
    assert variables["PORT_10001"] == variables["PORT0"]
    assert 31000 <= int(variables["PORT0"]) <= 31999


def test_the_applications_own_variables_win_and_ports_may_have_a_prefix() -> None:
    app = replace(APP, env={"HOST": "mine", "A": ""}, port_definitions=(PortDefinition(),))
    variables = environment(task(app, TaskSettings(env_vars_prefix="X_")))
    assert (variables["HOST"], variables["X_HOST"], variables["A"]) == ("mine", "h-1", "")
    assert "X_PORT0" in variables and "PORT0" not in variables


TIMING = {
    "delay_seconds": 15.0,
    "interval_seconds": 60.0,
    "timeout_seconds": 20.0,
    "grace_period_seconds": 300.0,
    "consecutive_failures": 3,
}
IN_BRIDGE = {"networks": BRIDGE, "container": DOCKER}
ON_HOST = {"port_definitions": (PortDefinition(31005),), "require_ports": True}
HEALTH: dict[str, tuple[Json, HealthCheck, Json]] = {
    "HTTP in a bridge: the container's port": (
        IN_BRIDGE,
        HealthCheck("HTTP", path="/ping", port_index=0),
        {"type": "HTTP", "http": {"scheme": "http", "port": 80, "path": "/ping"}},
    ),
    "HTTPS on the host": (
        ON_HOST,
        HealthCheck("MESOS_HTTPS"),
        {"type": "HTTP", "http": {"scheme": "https", "port": 31005, "path": "/"}},
    ),
    "the host's port by number": (
        IN_BRIDGE,
        HealthCheck("TCP", port=31005),
        {"type": "TCP", "tcp": {"port": 80}},
    ),
    "the container's port by number": (
        IN_BRIDGE,
        HealthCheck("MESOS_TCP", port=80, ip_protocol="IPv6"),
        {"type": "TCP", "tcp": {"port": 80, "protocol": "IPv6"}},
    ),
    "a port of nobody's": (IN_BRIDGE, HealthCheck("TCP", port=9999), {"type": "TCP", "tcp": {"port": 9999}}),
    "command": (
        {},
        HealthCheck("COMMAND", command="test -e up"),
        {"type": "COMMAND", "command": {"shell": True, "value": "test -e up"}},
    ),
}


@pytest.mark.parametrize(("app", "check", "expected"), HEALTH.values(), ids=HEALTH)
def test_health_check(app: Json, check: HealthCheck, expected: Json) -> None:
    assert task(replace(APP, **app, health_checks=(check,)))["health_check"] == {**expected, **TIMING}


CHECKS: dict[str, tuple[Json, Json]] = {
    "http": ({"http": {"portIndex": 0, "path": "/x"}}, {"type": "HTTP", "http": {"port": 80, "path": "/x"}}),
    "tcp": ({"tcp": {"port": 31005}}, {"type": "TCP", "tcp": {"port": 80}}),
    "shell": (
        {"exec": {"command": {"shell": "true"}}},
        {"type": "COMMAND", "command": {"command": {"shell": True, "value": "true"}}},
    ),
    "argv": (
        {"exec": {"command": {"argv": ["test", "-e", "x"]}}},
        {
            "type": "COMMAND",
            "command": {"command": {"shell": False, "value": "test", "arguments": ["test", "-e", "x"]}},
        },
    ),
}


@pytest.mark.parametrize(("check", "expected"), CHECKS.values(), ids=CHECKS)
def test_check(check: Json, expected: Json) -> None:
    timing = {"delay_seconds": 15.0, "interval_seconds": 5.0, "timeout_seconds": 20.0}
    app = replace(APP, **IN_BRIDGE, check={**check, "intervalSeconds": 5})
    assert task(app)["check"] == {**expected, **timing}


def test_limits_and_grace() -> None:
    info = task(replace(APP, cpus_limit=2.0, mem_limit=math.inf, task_kill_grace_period_seconds=1.5))
    assert info["limits"] == {"cpus": {"value": 2.0}, "mem": {"value": "Infinity"}}
    assert info["kill_policy"] == {"grace_period": {"nanoseconds": 1_500_000_000}}


def test_labels_and_discovery() -> None:
    mappings = (replace(HTTP, labels={"VIP": "v"}), PortMapping(81, host_port=None))
    app = replace(APP, labels={"a": "b"}, networks=NET, container=replace(DOCKER, port_mappings=mappings))
    info = task(app)
    assert info["labels"] == {"labels": [{"key": "a", "value": "b"}]}
    first, second = info["discovery"]["ports"]["ports"]
    assert (first["number"], first["name"], second["number"]) == (31005, "http-api", 81)
    assert first["labels"]["labels"] == [
        {"key": "VIP", "value": "v"},
        {"key": "network-scope", "value": "host"},
    ]
    assert second["labels"]["labels"] == [
        {"key": "network-scope", "value": "container"},
        {"key": "network-name", "value": "mynet"},
    ]


def test_an_executor_of_the_users() -> None:
    info = task(replace(APP, executor="/opt/it's/exec"))
    assert "command" not in info
    assert info["executor"]["executor_id"]["value"] == f"marathon-{info['task_id']['value']}"
    path = "'/opt/it'\\''s/exec'"
    assert info["executor"]["command"]["value"] == f"chmod ug+rx {path} && exec {path} run"


@pytest.mark.parametrize(("app_id", "name"), [("/a", "a"), ("/a/b/c", "c.b.a")])
def test_name(app_id: str, name: str) -> None:
    assert task_name(app_id) == name


def test_it_is_json() -> None:

    assert orjson.loads(orjson.dumps(task(replace(APP, **IN_BRIDGE))))


LICENSED = TaskSettings(new_relic=NewRelic("a-licence", "environment:prod"))


@pytest.mark.parametrize(
    ("asked", "name"),
    [("true", "team/web"), ("On", "team/web"), ("Shop front", "Shop front"), ("false", None), ("", None)],
)
def test_new_relic_for_those_who_ask(asked: str, name: str | None) -> None:
    found = environment(task(replace(APP, labels={"NEW_RELIC": asked}), LICENSED))
    assert found.get("NEW_RELIC_APP_NAME") == name
    assert found.get("NEW_RELIC_LICENSE_KEY") == (name and "a-licence")
    assert found.get("NEW_RELIC_LABELS") == (name and "environment:prod")


def test_new_relic_gives_way_to_what_the_application_says_itself() -> None:
    app = replace(APP, labels={"NEW_RELIC": "true"}, env={"NEW_RELIC_APP_NAME": "mine", "NEW_RELIC_LICENSE_KEY": "own"})
    found = environment(task(app, LICENSED))
    assert (found["NEW_RELIC_APP_NAME"], found["NEW_RELIC_LICENSE_KEY"]) == ("mine", "own")
    assert "NEW_RELIC_APP_NAME" not in environment(task(APP, LICENSED))
    assert "a-licence" not in repr(LICENSED)
