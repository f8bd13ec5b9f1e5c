from __future__ import annotations

import dataclasses
import time
from typing import Any

import orjson
import pytest

from services.scheduler.definitions import output, parse, stored
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
from services.scheduler.definitions.group import Group

V = "2026-01-01T00:00:00.000Z"
LEAST: dict[str, Any] = {"id": "/web", "version": V, "last_scaling_at": V, "last_config_change_at": V}

# Every field with a value that is not its default.
WHOLE = App(
    id="/team/web",
    version="2026-01-03T00:00:00.000Z",
    last_scaling_at="2026-01-02T00:00:00.000Z",
    last_config_change_at=V,
    cmd="serve",
    args=("a", "b"),
    user="www",
    env={"A": "b"},
    labels={"c": "d"},
    instances=0,
    cpus=0.1,
    mem=1.5,
    disk=2.5,
    gpus=1,
    cpus_limit=float("inf"),
    mem_limit=3.5,
    role="web",
    accepted_resource_roles=("web", "*"),
    executor="//cmd",
    constraints=(Constraint("hostname", "UNIQUE"), Constraint("rack", "LIKE", "r.*")),
    networks=(Network("container", "dev", {"e": "f"}), Network("container", "prod")),
    port_definitions=(PortDefinition(1, "udp", "dns", {"g": "h"}), PortDefinition()),
    require_ports=True,
    container=Container(
        "MESOS",
        "image",
        force_pull_image=True,
        privileged=True,
        parameters=(("k", "v"),),
        port_mappings=(PortMapping(80, None, 10000, "udp", "http", {"i": "j"}, ("dev", "prod")), PortMapping()),
        volumes=(Volume("/a", "/b", "RO"),),
    ),
    fetch=(Fetch("http://files/a", extract=False, executable=True, cache=True, dest_path="x"),),
    health_checks=(HealthCheck("COMMAND", command="true", ignore_http1xx=True), HealthCheck(path="/", port=80)),
    check={"tcp": {"port": 80}, "delaySeconds": 1},
    readiness_checks=(ReadinessCheck(http_status_codes_for_ready=(200, 302)),),
    dependencies=("/db",),
    backoff_seconds=2.0,
    backoff_factor=2.0,
    max_launch_delay_seconds=10.0,
    task_kill_grace_period_seconds=0.0,
    upgrade_strategy=UpgradeStrategy(0.5, 0.0),
    kill_selection="OLDEST_FIRST",
    unreachable_strategy=None,
    tty=True,
)


def test_the_whole_one_is_whole() -> None:
    """A new field must be added above, and so be proven to be kept."""
    for field in dataclasses.fields(App):
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        assert getattr(WHOLE, field.name) != default, field.name


@pytest.mark.parametrize(
    "app",
    [WHOLE, App(**LEAST), dataclasses.replace(WHOLE, unreachable_strategy=UnreachableStrategy(1, 2), container=None)],
    ids=["whole", "least", "other"],
)
def test_is_read_as_it_was_written(app: App) -> None:
    assert parse.stored(orjson.loads(orjson.dumps(output.stored(app)))) == app


def test_defaults_are_left_out() -> None:
    assert output.stored(App(**LEAST)) == LEAST


def test_the_kept_form_stays() -> None:
    """What former releases have kept must be read by this one."""
    kept = {
        **LEAST,
        "cmd": "serve",
        "cpus_limit": "unlimited",
        "container": {"image": "a", "parameters": [["k", "v"]], "port_mappings": [{"container_port": 80}]},
        "networks": [{"mode": "container/bridge"}],
        "constraints": [{"field": "hostname", "operator": "UNIQUE"}],
        "health_checks": [{"path": "/", "port_index": 0}],
        "unreachable_strategy": None,
    }
    app = parse.stored(kept)
    assert app.cpus_limit == float("inf")
    assert app.container == Container(image="a", parameters=(("k", "v"),), port_mappings=(PortMapping(80),))
    assert app.networks == (Network("container/bridge"),)
    assert app.constraints == (Constraint("hostname", "UNIQUE"),)
    assert app.health_checks == (HealthCheck(path="/", port_index=0),)
    assert app.unreachable_strategy is None
    assert output.stored(app) == kept


@pytest.mark.parametrize("document", [{}, {**LEAST, "colour": "red"}])
def test_anything_else_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        stored.decode(document)


def test_a_thousand_in_milliseconds() -> None:
    documents = [output.stored(dataclasses.replace(WHOLE, id=f"/team/web-{number}")) for number in range(1000)]
    started = time.process_time()
    apps = [parse.stored(document) for document in documents]
    assert time.process_time() - started < 0.5  # measured: 0.03 s; the bound is for a machine that is busy
    assert apps[999].id == "/team/web-999"


def test_a_tree_is_read_as_it_was_written() -> None:
    tree = (
        Group()
        .with_app(WHOLE)
        .with_app(dataclasses.replace(WHOLE, id="/web", version=V))
        .with_group(Group("/strict/empty", dependencies=("/team",), version=V))
        .with_group(Group("/team/inner", version=V))
    )
    tree = tree.with_group(dataclasses.replace(tree.groups["/strict"], enforce_role=True))
    documents = orjson.loads(orjson.dumps(output.stored_groups(tree)))
    assert [document["id"] for document in documents] == ["/", "/team", "/team/inner", "/strict", "/strict/empty"]
    assert parse.stored_tree(documents, tree.all_apps().values()) == tree


def test_groups_that_are_missing_are_made() -> None:
    tree = parse.stored_tree([], [WHOLE])
    assert tree == Group().with_app(WHOLE)
    assert parse.stored_tree([], []) == Group()
