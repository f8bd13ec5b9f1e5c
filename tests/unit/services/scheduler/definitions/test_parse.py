from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.scheduler.definitions import output, parse
from services.scheduler.definitions.app import (
    App,
    Constraint,
    Container,
    Fetch,
    HealthCheck,
    Network,
    PortDefinition,
    PortMapping,
    ReadinessCheck,
    UnreachableStrategy,
    UpgradeStrategy,
    Volume,
)
from services.scheduler.definitions.errors import InvalidDefinition
from services.scheduler.definitions.group import Group

V = "2026-01-01T00:00:00.000Z"
MALFORMED = yaml.safe_load(Path(__file__).with_name("malformed.yaml").read_text(encoding="utf-8"))


def app(**fields: Any) -> App:
    fields = {"id": "/web", "cmd": "serve", "port_definitions": (PortDefinition(0, name="default"),), **fields}
    return App(version=V, last_scaling_at=V, last_config_change_at=V, **fields)


def bridged(*mappings: PortMapping, **fields: Any) -> App:
    container = Container(image="nginx:1.25", port_mappings=mappings)
    return app(cmd=None, container=container, networks=(Network("container/bridge"),), port_definitions=(), **fields)


@pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case["name"])
def test_refuses_with_the_exact_answer(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidDefinition) as error:
        parse.app(case["app"], version=V)
    assert error.value.status == case["status"]
    assert error.value.body == case["body"]


def test_there_are_enough_cases_and_none_twice() -> None:
    assert len(MALFORMED) >= 60
    assert len({case["name"] for case in MALFORMED}) == len(MALFORMED)


DEFAULT_FETCH = {"extract": True, "executable": False, "cache": False}
DOCKER: dict[str, Any] = {"type": "DOCKER", "docker": {"image": "nginx:1.25"}}

ACCEPTED: dict[str, tuple[dict[str, Any], App]] = {
    "the least there is": ({"cmd": "serve"}, app()),
    "what is null is not there": ({"cmd": "serve", "args": None, "container": None, "env": None}, app()),
    "what is not known is dropped": ({"cmd": "serve", "tasksRunning": 3, "deployments": [], "storeUrls": []}, app()),
    "arguments": ({"args": ["a", "b"]}, app(cmd=None, args=("a", "b"))),
    "numbers": (
        {"cmd": "serve", "cpus": 0.5, "mem": 64, "disk": 1, "instances": 3.0, "backoffSeconds": 2, "backoffFactor": 2},
        app(cpus=0.5, mem=64.0, disk=1.0, instances=3, backoff_seconds=2.0, backoff_factor=2.0),
    ),
    "limits": (
        {"cmd": "serve", "resourceLimits": {"cpus": "unlimited", "mem": 256}},
        app(cpus_limit=float("inf"), mem_limit=256.0),
    ),
    "limits of just what is asked for": (
        {"cmd": "serve", "cpus": 2, "resourceLimits": {"cpus": 2, "mem": 128}},
        app(cpus=2.0, cpus_limit=2.0, mem_limit=128.0),
    ),
    "constraints, without repeats": (
        {"cmd": "serve", "constraints": [["hostname", "UNIQUE", ""], ["@zone", "GROUP_BY"], ["@zone", "GROUP_BY"]]},
        app(constraints=(Constraint("hostname", "UNIQUE"), Constraint("@zone", "GROUP_BY"))),
    ),
    "strategies": (
        {
            "cmd": "serve",
            "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0},
            "unreachableStrategy": {"inactiveAfterSeconds": 300, "expungeAfterSeconds": 600},
            "killSelection": "OLDEST_FIRST",
            "taskKillGracePeriodSeconds": 30,
        },
        app(
            upgrade_strategy=UpgradeStrategy(0.5, 0.0),
            unreachable_strategy=UnreachableStrategy(300, 600),
            kill_selection="OLDEST_FIRST",
            task_kill_grace_period_seconds=30.0,
        ),
    ),
    "never replaced": ({"cmd": "serve", "unreachableStrategy": "disabled"}, app(unreachable_strategy=None)),
    "a single instance": (
        {"cmd": "serve", "labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}},
        app(labels={"MARATHON_SINGLE_INSTANCE_APP": "true"}, upgrade_strategy=UpgradeStrategy(0.0, 0.0)),
    ),
    "relative dependencies, without repeats": (
        {"cmd": "serve", "dependencies": ["db", "/db", "../cache"]},
        app(dependencies=("/db", "/cache")),
    ),
    "health check: the first port, a path from the root": (
        {"cmd": "serve", "healthChecks": [{"path": "health"}]},
        app(health_checks=(HealthCheck(path="/health", port_index=0),)),
    ),
    "health check by command: no port, no path": (
        {
            "cmd": "serve",
            "healthChecks": [{"protocol": "COMMAND", "command": {"value": "true"}, "portIndex": 0, "path": "/"}],
        },
        app(health_checks=(HealthCheck(protocol="COMMAND", command="true"),)),
    ),
    "health check of a connection: no path": (
        {"cmd": "serve", "healthChecks": [{"protocol": "TCP", "port": 80, "path": "/"}]},
        app(health_checks=(HealthCheck(protocol="TCP", port=80),)),
    ),
    "readiness check": (
        {"cmd": "serve", "readinessChecks": [{"portName": "default", "path": "/ready"}]},
        app(readiness_checks=(ReadinessCheck(port_name="default", path="/ready"),)),
    ),
    "check": (
        {"cmd": "serve", "check": {"http": {"path": "up"}, "intervalSeconds": 5}},
        app(
            check={
                "delaySeconds": 15,
                "intervalSeconds": 5,
                "timeoutSeconds": 20,
                "http": {"scheme": "HTTP", "path": "/up", "portIndex": 0},
            }
        ),
    ),
    "host network, written": (
        {"cmd": "serve", "networks": [{"mode": "host"}], "portDefinitions": [{"port": 8080, "name": "http"}]},
        app(port_definitions=(PortDefinition(8080, name="http"),)),
    ),
    "no ports": ({"cmd": "serve", "portDefinitions": []}, app(port_definitions=())),
    "required ports": (
        {"cmd": "serve", "ports": [8080], "requirePorts": True},
        app(port_definitions=(PortDefinition(8080),), require_ports=True),
    ),
    "old: ports": (
        {"cmd": "serve", "ports": [8080, 0]},
        app(port_definitions=(PortDefinition(8080), PortDefinition(0))),
    ),
    "old: ports and the same definitions": (
        {"cmd": "serve", "ports": [8080], "portDefinitions": [{"port": 8080, "name": "http"}]},
        app(port_definitions=(PortDefinition(8080, name="http"),)),
    ),
    "old: uris": (
        {"cmd": "serve", "uris": ["http://files/a.tar.gz", "http://files/b.json"]},
        app(fetch=(Fetch("http://files/a.tar.gz", extract=True), Fetch("http://files/b.json", extract=False))),
    ),
    "fetch": (
        {"cmd": "serve", "fetch": [{"uri": "http://files/a", "destPath": "x/y", "executable": True}]},
        app(fetch=(Fetch("http://files/a", executable=True, dest_path="x/y"),)),
    ),
    "Docker on the host's network": (
        {"container": DOCKER},
        app(cmd=None, container=Container(image="nginx:1.25")),
    ),
    "old: HOST drops mappings": (
        {
            "container": {
                "type": "DOCKER",
                "docker": {"image": "nginx:1.25", "network": "HOST", "portMappings": [{"containerPort": 80}]},
            }
        },
        app(cmd=None, container=Container(image="nginx:1.25")),
    ),
    "bridge: mapped to any host port": (
        {
            "container": {**DOCKER, "portMappings": [{"containerPort": 80, "name": "http"}]},
            "networks": [{"mode": "container/bridge"}],
        },
        bridged(PortMapping(80, 0, name="http")),
    ),
    "old: BRIDGE": (
        {
            "container": {
                "type": "DOCKER",
                "docker": {
                    "image": "nginx:1.25",
                    "network": "BRIDGE",
                    "portMappings": [{"containerPort": 80, "hostPort": 0, "servicePort": 10100, "labels": {"a": "b"}}],
                },
            },
            "requirePorts": True,
        },
        bridged(PortMapping(80, 0, service_port=10100, labels={"a": "b"})),
    ),
    "old: BRIDGE with ports and no mappings": (
        {"container": {"type": "DOCKER", "docker": {"image": "nginx:1.25", "network": "BRIDGE"}}, "ports": [1, 2]},
        bridged(PortMapping(0, 0, name="default"), PortMapping(0, 0)),
    ),
    "bridge: no mappings, written": (
        {"container": {**DOCKER, "portMappings": []}, "networks": [{"mode": "container/bridge"}]},
        bridged(),
    ),
    "a network of the operator: not mapped": (
        {
            "container": {**DOCKER, "portMappings": [{"containerPort": 80}]},
            "networks": [{"mode": "container", "name": "dev"}],
        },
        app(
            cmd=None,
            container=Container(image="nginx:1.25", port_mappings=(PortMapping(80, None),)),
            networks=(Network("container", "dev"),),
            port_definitions=(),
        ),
    ),
    "old: USER with ipAddress": (
        {
            "container": {
                "type": "DOCKER",
                "docker": {"image": "nginx:1.25", "network": "USER", "portMappings": [{"containerPort": 80}]},
            },
            "ipAddress": {"networkName": "dev", "labels": {"a": "b"}},
        },
        app(
            cmd=None,
            container=Container(image="nginx:1.25", port_mappings=(PortMapping(80, None),)),
            networks=(Network("container", "dev", {"a": "b"}),),
            port_definitions=(),
        ),
    ),
    "old: ipAddress with discovery": (
        {
            "cmd": "serve",
            "ipAddress": {"networkName": "dev", "discovery": {"ports": [{"number": 80, "name": "http"}]}},
        },
        app(
            container=Container(type="MESOS", port_mappings=(PortMapping(80, None, name="http"),)),
            networks=(Network("container", "dev"),),
            port_definitions=(),
        ),
    ),
    "old: ipAddress on the bridge": (
        {"cmd": "serve", "ipAddress": {"networkName": "mesos-bridge"}},
        app(
            container=Container(type="MESOS", port_mappings=(PortMapping(0, 0, name="default"),)),
            networks=(Network("container/bridge"),),
            port_definitions=(),
        ),
    ),
    "a network without a container": (
        {"cmd": "serve", "networks": [{"name": "dev"}]},
        app(
            container=Container(type="MESOS", port_mappings=(PortMapping(0, None, name="default"),)),
            networks=(Network("container", "dev"),),
            port_definitions=(),
        ),
    ),
    "Docker with all there is": (
        {
            "container": {
                "type": "DOCKER",
                "docker": {
                    "image": "nginx:1.25",
                    "forcePullImage": True,
                    "privileged": False,
                    "parameters": [{"key": "hostname", "value": "a"}, {"key": "hostname", "value": "b"}],
                },
                "volumes": [{"containerPath": "/a", "hostPath": "/b", "mode": "RO"}],
            },
            "user": "www",
            "env": {"A": "b"},
            "tty": True,
            "role": "web",
            "acceptedResourceRoles": ["*", "web"],
        },
        app(
            cmd=None,
            container=Container(
                image="nginx:1.25",
                force_pull_image=True,
                parameters=(("hostname", "a"), ("hostname", "b")),
                volumes=(Volume("/a", "/b", "RO"),),
            ),
            user="www",
            env={"A": "b"},
            tty=True,
            role="web",
            accepted_resource_roles=("*", "web"),
        ),
    ),
}


@pytest.mark.parametrize(("document", "expected"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_reads_both_dialects_with_their_defaults(document: dict[str, Any], expected: App) -> None:
    assert parse.app({"id": "/web", **document}, version=V) == expected


@pytest.mark.parametrize("expected", [expected for _, expected in ACCEPTED.values()], ids=ACCEPTED.keys())
def test_what_is_written_is_read_as_the_same(expected: App) -> None:
    assert parse.app(output.app(expected), version=V) == expected


def test_does_not_change_what_it_reads() -> None:
    document = {"id": "web", "container": {"docker": {"image": "a", "network": "BRIDGE", "portMappings": []}}}
    before = str(document)
    parse.app(document, version=V)
    assert str(document) == before


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("web", "/", "/web"),
        ("/web/", "/", "/web"),
        ("web", "/team", "/team/web"),
        ("/other/web", "/team", "/other/web"),
        ("../web", "/team/part", "/team/web"),
        ("a.b-c/1", "/", "/a.b-c/1"),
    ],
)
def test_ids_are_absolute(name: str, base: str, expected: str) -> None:
    assert parse.app({"id": name, "cmd": "serve"}, version=V, base=base).id == expected


@pytest.mark.parametrize("value", [True, float("inf"), float("nan"), "1", [1], {}])
@pytest.mark.parametrize("name", ["instances", "cpus", "backoffFactor", "backoffSeconds"])
def test_what_is_no_number(name: str, value: Any) -> None:
    with pytest.raises(InvalidDefinition) as error:
        parse.app({"id": "/web", "cmd": "serve", name: value}, version=V)
    assert error.value.status == 400
    assert error.value.details == [{"path": f"/{name}", "errors": ["error.expected.jsnumber"]}]


def test_the_id_of_the_address_wins() -> None:
    assert parse.app({"id": "/other", "cmd": "serve"}, version=V, app_id="/team/web").id == "/team/web"
    assert parse.app({"cmd": "serve"}, version=V, app_id="/team/web").id == "/team/web"


@pytest.mark.parametrize(
    "docker", [{"privileged": True}, {"parameters": [{"key": "cap-add", "value": "ALL"}]}], ids=["flag", "parameter"]
)
def test_privileged_where_allowed(docker: dict[str, Any]) -> None:
    document = {"id": "/web", "container": {"docker": {"image": "a", **docker}}}
    assert parse.app(document, version=V, allow_privileged=True).container
    with pytest.raises(InvalidDefinition):
        parse.app(document, version=V)


def test_the_operators_network_is_taken_for_one_without_a_name() -> None:
    policy = parse.Policy(default_network_name="dcos")
    parsed = parse.app({"id": "/web", "cmd": "serve", "networks": [{"mode": "container"}]}, version=V, policy=policy)
    assert parsed.networks == (Network("container", "dcos"),)


ROOT = Group().with_group(Group("/strict", enforce_role=True)).with_group(Group("/team"))


@pytest.mark.parametrize(
    ("app_id", "role", "expected"),
    [
        ("/web", None, "ops"),
        ("/web", "ops", "ops"),
        ("/web", "web", None),
        ("/team/web", None, "ops"),
        ("/team/web", "team", "team"),
        ("/team/web", "other", None),
        ("/new/part/web", "new", "new"),
        ("/strict/part/web", None, "strict"),
        ("/strict/part/web", "ops", None),
    ],
)
def test_roles_fit_the_top_level_group(app_id: str, role: str | None, expected: str | None) -> None:
    document = {"id": app_id, "cmd": "serve", "role": role}
    policy = parse.Policy(default_role="ops")
    if expected is None:
        with pytest.raises(InvalidDefinition) as error:
            parse.app(document, version=V, policy=policy, root=ROOT)
        assert [detail["path"] for detail in error.value.details] == ["/role"]
    else:
        assert parse.app(document, version=V, policy=policy, root=ROOT).role == expected


@pytest.mark.parametrize("app_id", ["/team", "/app/inside"])
def test_an_application_has_no_id_of_a_group(app_id: str) -> None:
    root = ROOT.with_app(app(id="/app"))
    with pytest.raises(InvalidDefinition) as error:
        parse.app({"id": app_id, "cmd": "serve"}, version=V, root=root)
    assert error.value.status == 422
    assert "may not have the same identifier" in str(error.value)
