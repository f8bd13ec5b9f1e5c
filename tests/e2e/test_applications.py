"""Applications on the cluster: deployed through Marathon's API, served by the edge, changed under load."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import say
from marathon_api import MarathonApi, web_app
from steady_client import SteadyClient
from waiting import eventually

from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

pytestmark = pytest.mark.e2e

APP = "/e2e/web"
HOST = "web.e2e.localhost"


@pytest.fixture(scope="module")
def marathon(local: Cluster) -> MarathonApi:
    """The schedulers of the cluster."""
    hosts = [f"{node.address}:8080" for node in local.with_role("marathon")]
    return MarathonApi(hosts, "operator", Secrets(local.env).value("marathon-operator"))


@pytest.fixture(scope="module")
def edge(local: Cluster) -> str:
    """Address of an edge node."""
    return str(local.with_role("ingress")[0].address)


@pytest.fixture
def web(marathon: MarathonApi, edge: str) -> Iterator[str]:
    """An application with two healthy instances that the edge serves; removed afterwards."""
    marathon.remove(APP)
    marathon.create(web_app(APP, HOST))
    served(edge, {"one"})
    yield APP
    marathon.remove(APP)


def versions(edge: str, requests: int = 40) -> set[str]:
    """Which versions of the application answer just now; "" where something else does."""
    with SteadyClient(edge, 80, HOST) as client:
        eventually(lambda: client.seen.requests >= requests, 30, "requests were not answered")
    failed = {""} if client.seen.failures else set()
    return failed | {body.split(" ")[0] for body in client.seen.bodies}


def served(edge: str, wanted: set[str]) -> None:
    """Wait until exactly these versions answer."""
    eventually(lambda: versions(edge) == wanted, 30, f"{HOST} is not served by {wanted}")


def test_every_instance_is_served_and_no_other(web: str, marathon: MarathonApi, edge: str) -> None:
    with SteadyClient(edge, 80, HOST) as client:
        eventually(lambda: client.seen.requests > 100, 30, "requests were not answered")
    client.expect_no_failure()
    assert {body.split(" ")[1] for body in client.seen.bodies} == marathon.running(web)


def test_instances_are_spread_over_the_agents(web: str, marathon: MarathonApi, local: Cluster) -> None:
    marathon.change(web, {"constraints": [["hostname", "GROUP_BY"]], "instances": 4})
    hosts = [task["host"] for task in marathon.app(web)["tasks"]]
    agents = {node.name for node in local.with_role("mesos-agent")}
    assert {host.split(".")[0] for host in hosts} <= agents | {str(node.address) for node in local.nodes}
    assert sorted(hosts.count(host) for host in set(hosts)) == [2, 2]


def test_scaling_loses_no_request(web: str, marathon: MarathonApi, edge: str) -> None:
    marathon.change(web, {"instances": 1})
    before = marathon.running(web)
    with SteadyClient(edge, 80, HOST) as client:
        up = marathon.change(web, {"instances": 10})
        grown = marathon.running(web)
        eventually(
            lambda: len({body.split(" ")[1] for body in client.seen.bodies}) == 10, 30, "not all ten instances serve"
        )
        down = marathon.change(web, {"instances": 2})
    say(f"1 to 10 to 2 under load: up {up:.1f} s, down {down:.1f} s; {client.summary()}")
    assert before < grown
    assert len(grown) == 10
    assert len(marathon.running(web)) == 2
    client.expect_no_failure()


def test_a_new_version_loses_no_request(web: str, marathon: MarathonApi, edge: str) -> None:
    marathon.change(web, {"instances": 3})
    old = marathon.running(web)
    with SteadyClient(edge, 80, HOST) as client:
        seconds = marathon.change(web, {"env": {"VERSION": "two"}})
        served(edge, {"two"})
    say(f"rolling update of 3 instances under load: {seconds:.1f} s; {client.summary()}")
    assert not old & marathon.running(web)
    client.expect_no_failure()


def test_a_restart_within_capacity_loses_no_request(web: str, marathon: MarathonApi, edge: str) -> None:
    strategy = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0}
    marathon.change(web, {"instances": 4, "upgradeStrategy": strategy})
    old = marathon.running(web)
    with SteadyClient(edge, 80, HOST) as client:
        marathon.ask("POST", f"/v2/apps{web}/restart")
        fewest, most = len(old), len(old)
        while marathon.get("/v2/deployments"):
            tasks = marathon.app(web)["tasks"]
            most = max(most, len(tasks))
            fewest = min(fewest, len([task for task in tasks if alive(task)]))
    say(f"restart of 4 instances, at least 2 of at most 4 at any time: {client.summary()}")
    assert (fewest >= 2, most <= 4) == (True, True), (fewest, most)
    assert not old & marathon.running(web)
    client.expect_no_failure()


def alive(task: dict[str, object]) -> bool:
    """Every health check has a result and every result is good."""
    results = task.get("healthCheckResults")
    return isinstance(results, list) and bool(results) and all(result["alive"] for result in results)


def test_a_broken_version_is_rolled_back_and_nobody_notices(web: str, marathon: MarathonApi, edge: str) -> None:
    old = marathon.running(web)
    with SteadyClient(edge, 80, HOST) as client:
        answer = marathon.ask("PUT", f"/v2/apps{web}", {"cmd": "exit 3"})
        eventually(
            lambda: "lastTaskFailure" in marathon.get(f"/v2/apps{web}?embed=app.lastTaskFailure")["app"],
            60,
            "the broken version did not fail",
        )
        rollback = marathon.ask("DELETE", f"/v2/deployments/{answer['deploymentId']}")
        assert rollback["deploymentId"] != answer["deploymentId"]
        marathon.settled()
    assert marathon.running(web) == old, "healthy tasks of the old version were replaced"
    client.expect_no_failure()


def test_what_is_not_there_is_said_by_the_edge(web: str, marathon: MarathonApi, edge: str) -> None:
    with SteadyClient(edge, 80, "nobody.localhost") as client:
        eventually(lambda: client.seen.requests > 3, 10, "nothing was answered")
    assert all("HTTP 404" in what for _, _, what in client.seen.failures)
    marathon.change(web, {"instances": 0})

    def explained() -> bool:
        with SteadyClient(edge, 80, HOST) as client:
            eventually(lambda: client.seen.requests > 3, 10, "nothing was answered")
        return all("HTTP 503" in what and APP in what for _, _, what in client.seen.failures)

    eventually(explained, 15, "the edge does not say which application has no healthy task")
