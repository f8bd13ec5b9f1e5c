"""Every kind of task the API offers, on real agents: deployed as one group, asked one by one what it sees."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import pytest
from lab import on_node
from marathon_api import IMAGE, Json, MarathonApi, RefusedError
from waiting import eventually

from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

pytestmark = pytest.mark.e2e

GROUP = "/e2e/kinds"
NETWORK = "utopia-e2e-kinds"
FIXED_PORT = 31987
# In a container: a page of what the task sees of the world. The first process must end on TERM by itself.
SERVE = "mkdir -p /www && { env; hostname; %s; } > /www/index.html; httpd -f -p %s -h /www & trap 'exit 0' TERM; wait"
BRIDGE: Json = {"networks": [{"mode": "container/bridge"}]}


def docker(command: str = "true", port: str = "8080", **fields: Any) -> Json:
    """A bridged Docker application; `container` is added to the container, everything else to the application."""
    container = {
        "type": "DOCKER",
        "docker": {"image": IMAGE, **fields.pop("docker", {})},
        "portMappings": [{"containerPort": 8080, "hostPort": 0, "name": "web"}],
        **fields.pop("container", {}),
    }
    return {"cmd": SERVE % (command, port), "container": container, **BRIDGE, **fields}


HOST_NETWORK: Json = {"networks": [{"mode": "host"}], "container": {"type": "DOCKER", "docker": {"image": IMAGE}}}
IN_SANDBOX = "env > index.html; hostname >> index.html; exec python3 -m http.server $PORT0"
KINDS: dict[str, Json] = {
    "bridge": docker(labels={"team": "shop"}, env={"COLOUR": "green"}),
    "args": {**docker(), "cmd": None, "args": ["httpd", "-f", "-p", "8080", "-h", "/etc"]},
    "volume": docker(
        "cat /data/name",
        container={"volumes": [{"hostPath": "/etc/hostname", "containerPath": "/data/name", "mode": "RO"}]},
    ),
    "parameters": docker(docker={"parameters": [{"key": "hostname", "value": "given-name"}]}),
    "fetched": docker('cat "$MESOS_SANDBOX/hostname"', fetch=[{"uri": "file:///etc/hostname"}]),
    "user-network": {**docker(), "networks": [{"mode": "container", "name": NETWORK}]},
    "host-network": {
        "cmd": SERVE % ("true", "$PORT0"),
        "portDefinitions": [{"port": 0, "name": "web"}],
        **HOST_NETWORK,
    },
    "fixed-port": {
        "cmd": SERVE % ("true", "$PORT0"),
        "portDefinitions": [{"port": FIXED_PORT}],
        "requirePorts": True,
        **HOST_NETWORK,
    },
    "command": {"cmd": IN_SANDBOX, "portDefinitions": [{"port": 0}], "user": "root"},
    "mesos-container": {
        "cmd": IN_SANDBOX,
        "container": {"type": "MESOS"},
        "networks": [{"mode": "host"}],
        "portDefinitions": [{"port": 0}],
    },
    "old-dialect": {
        "cmd": SERVE % ("true", "8080"),
        "container": {
            "type": "DOCKER",
            "docker": {"image": IMAGE, "network": "BRIDGE", "portMappings": [{"containerPort": 8080, "hostPort": 0}]},
        },
    },
    "tcp-check": {**docker(), "healthChecks": [{"protocol": "TCP", "portIndex": 0, "intervalSeconds": 1}]},
    "command-check": {
        **docker(),
        "healthChecks": [
            {"protocol": "COMMAND", "command": {"value": "test -e /www/index.html"}, "intervalSeconds": 1}
        ],
    },
}
# What its page must hold, besides what all have.
SEEN: dict[str, list[str]] = {
    "bridge": ["COLOUR=green", "MARATHON_APP_LABEL_TEAM=shop", "MARATHON_APP_LABELS=TEAM", "PORT_WEB=", "PORT_8080="],
    "parameters": ["given-name"],
    "fixed-port": [f"PORT0={FIXED_PORT}"],
    "mesos-container": ["MESOS_SANDBOX="],
}
NO_PAGE = {"args"}


@pytest.fixture(scope="module")
def marathon(local: Cluster) -> MarathonApi:
    """The schedulers of the cluster."""
    hosts = [f"{node.address}:8080" for node in local.with_role("marathon")]
    return MarathonApi(hosts, "operator", Secrets(local.env).value("marathon-operator"))


@pytest.fixture(scope="module")
def tasks(local: Cluster, marathon: MarathonApi) -> Iterator[dict[str, Json]]:
    """Kind -> its running task. All are deployed at once."""
    agents = [node.name for node in local.with_role("mesos-agent")]
    for agent in agents:
        on_node(agent, f"docker network create {NETWORK}")
    common = {"cpus": 0.05, "mem": 32, "instances": 1, "taskKillGracePeriodSeconds": 2}
    apps = [{"id": f"{GROUP}/{kind}", **common, **app} for kind, app in KINDS.items()]
    try:
        marathon.ask("PUT", "/v2/groups?force=true", {"id": GROUP, "apps": apps})
        marathon.settled(180)
        yield {kind: marathon.app(f"{GROUP}/{kind}")["tasks"][0] for kind in KINDS}
    finally:
        marathon.ask("DELETE", f"/v2/groups{GROUP}?force=true")
        marathon.settled()
        for agent in agents:
            on_node(agent, f"docker network rm {NETWORK}")


def page(local: Cluster, task: Json, path: str = "/") -> str:
    """What the task serves at its first host port."""
    address = next(str(node.address) for node in local.nodes if task["host"] in (node.name, str(node.address)))

    def read() -> str:
        connection = http.client.HTTPConnection(address, task["ports"][0], timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except OSError:
            return ""
        finally:
            connection.close()

    return eventually(read, 20, f"{task['id']} does not answer at {address}:{task['ports'][0]}")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NO_PAGE])
def test_what_a_task_sees(local: Cluster, tasks: dict[str, Json], kind: str) -> None:
    task = tasks[kind]
    seen = page(local, task)
    wanted = [
        f"MARATHON_APP_ID={GROUP}/{kind}",
        f"MARATHON_APP_VERSION={task['version']}",
        f"MESOS_TASK_ID={task['id']}",
        f"HOST={task['host']}",
        "MARATHON_APP_RESOURCE_MEM=32.0",
        f"PORTS={'8080' if 'PORT=8080' in seen else task['ports'][0]}",
        *SEEN.get(kind, []),
    ]
    assert [text for text in wanted if text not in seen] == [], seen


@pytest.mark.parametrize("kind", ["volume", "fetched"])
def test_files_of_the_host(local: Cluster, tasks: dict[str, Json], kind: str) -> None:
    agent = next(node.name for node in local.nodes if tasks[kind]["host"] in (node.name, str(node.address)))
    assert agent in page(local, tasks[kind]).splitlines()[-1]


def test_arguments_instead_of_a_command(local: Cluster, tasks: dict[str, Json]) -> None:
    assert "nobody" in page(local, tasks["args"], "/passwd")


@pytest.mark.parametrize("kind", ["tcp-check", "command-check"])
def test_health_is_told_by_the_agent(marathon: MarathonApi, tasks: dict[str, Json], kind: str) -> None:
    (result,) = marathon.app(f"{GROUP}/{kind}")["tasks"][0]["healthCheckResults"]
    assert result["alive"] is True


@pytest.mark.parametrize(
    ("change", "status", "named"),
    [
        ({"container": {"type": "DOCKER", "docker": {"image": IMAGE, "privileged": True}}}, 422, "privileged"),
        ({"secrets": {"s": {"source": "/x"}}}, 422, "ecret"),
        ({"gpus": 1}, 422, "GPU"),
        ({"cpus": "many"}, 400, "/cpus"),
    ],
)
def test_what_is_not_there_is_named(marathon: MarathonApi, change: Json, status: int, named: str) -> None:
    with pytest.raises(RefusedError) as caught:
        marathon.ask("POST", "/v2/apps", {"id": f"{GROUP}-refused", "cmd": "true", **change})
    assert caught.value.status == status
    assert named in caught.value.body


def test_pods_are_not_there(marathon: MarathonApi) -> None:
    with pytest.raises(RefusedError) as caught:
        marathon.ask("POST", "/v2/pods", {"id": "/pod"})
    assert 400 <= caught.value.status < 500
    assert "od" in caught.value.body
