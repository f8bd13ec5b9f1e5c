"""Parts of the platform fail while an application is used: tasks go on, are served, and state is whole afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from lab import on_node, say, wait_for
from marathon_api import MarathonApi, web_app
from steady_client import SteadyClient
from waiting import eventually

from bootstrap.model import Cluster
from bootstrap.secrets import Secrets

pytestmark = pytest.mark.e2e

APP = "/e2e/lasting"
HOST = "lasting.e2e.localhost"
OUTAGE_SECONDS = 30
UNIT = "utopia-scheduler"


@pytest.fixture(scope="module")
def marathon(local: Cluster) -> MarathonApi:
    """The schedulers of the cluster."""
    hosts = [f"{node.address}:8080" for node in local.with_role("marathon")]
    return MarathonApi(hosts, "operator", Secrets(local.env).value("marathon-operator"))


@pytest.fixture(scope="module")
def lasting(local: Cluster, marathon: MarathonApi) -> Iterator[str]:
    """One application for all faults: three instances over both agents, served."""
    marathon.remove(APP)
    marathon.create(web_app(APP, HOST, instances=3, constraints=[["hostname", "GROUP_BY"]]))
    yield APP
    marathon.remove(APP)


@pytest.fixture
def client(local: Cluster, lasting: str, restored: Cluster) -> Iterator[SteadyClient]:
    """Requests from before the fault until after the recovery."""
    edge = str(local.with_role("ingress")[0].address)

    def answers() -> bool:
        with SteadyClient(edge, 80, HOST) as probe:
            eventually(lambda: probe.seen.requests > 20, 20, "no answers")
        return not probe.seen.failures

    eventually(answers, 60, f"{HOST} is not served before the fault")
    with SteadyClient(edge, 80, HOST) as made:
        yield made


def pid(node: str, unit: str) -> str:
    """The unit's main process."""
    return on_node(node, f"systemctl show --property=MainPID --value {unit}")


def kill(node: str, unit: str) -> None:
    """SIGKILL for the unit's main process; waits until another one took its place."""
    before = pid(node, unit)
    on_node(node, f"kill -9 {before}")
    wait_for(f"{unit} on {node} runs again", lambda: pid(node, unit) not in ("0", before), within=60)


def leading(local: Cluster, marathon: MarathonApi) -> str:
    """Name of the node whose scheduler leads."""
    host = marathon.leader().split(":")[0]
    return next(
        node.name for node in local.nodes if host in (str(node.address), node.name, f"{node.name}.{local.domain}")
    )


def test_a_container_is_killed(local: Cluster, marathon: MarathonApi, lasting: str, client: SteadyClient) -> None:
    task = next(iter(marathon.app(lasting)["tasks"]))
    agent = next(
        node.name for node in local.nodes if task["host"].split(".")[0] == node.name or task["host"] == node.address
    )
    find = f"docker inspect --format '{{{{json .Config.Env}}}}' $c | grep -q MESOS_TASK_ID={task['id']}"
    on_node(agent, f"for c in $(docker ps --quiet); do if {find}; then docker kill $c; fi; done")

    def replaced() -> bool:
        app = marathon.app(lasting)
        return task["id"] not in {each["id"] for each in app["tasks"]} and app["tasksHealthy"] == 3

    wait_for("another task took its place", replaced, within=60)
    # The killed container takes the requests it holds with it; only those a proxy must not repeat may fail.
    assert all(method == "POST" for _, method, _ in client.seen.failures), client.seen.failures[:5]
    assert len(client.seen.failures) <= 4


@pytest.mark.parametrize("unit", ["mesos-agent"])
def test_an_agents_process_is_killed(marathon: MarathonApi, lasting: str, client: SteadyClient, unit: str) -> None:
    before = marathon.running(lasting)
    kill("agent-1", unit)
    time.sleep(3)  # the time in which a task that did not survive would be noticed
    assert marathon.running(lasting) == before
    client.expect_no_failure()


def test_the_leading_scheduler_is_killed(
    local: Cluster, marathon: MarathonApi, lasting: str, client: SteadyClient
) -> None:
    before, old = marathon.running(lasting), leading(local, marathon)
    began = time.monotonic()
    on_node(old, f"systemctl kill --signal=SIGKILL {UNIT}")
    wait_for("another scheduler leads", lambda: other_leads(local, marathon, old), within=60)
    seconds = time.monotonic() - began
    wait_for("it knows the tasks", lambda: marathon.running(lasting) == before, within=30)
    say(f"scheduler on {old} was killed; another led after {seconds:.1f} s; {client.summary()}")
    client.expect_no_failure()


def other_leads(local: Cluster, marathon: MarathonApi, old: str) -> bool:
    """Whether another scheduler than `old` leads and answers."""
    try:
        return leading(local, marathon) != old
    except AssertionError:
        return False


def test_a_deployment_goes_on_under_the_next_leader(
    local: Cluster, marathon: MarathonApi, lasting: str, client: SteadyClient
) -> None:
    before, old = marathon.running(lasting), leading(local, marathon)
    marathon.ask("PUT", f"/v2/apps{lasting}", {"env": {"VERSION": str(time.time())}})
    on_node(old, f"systemctl kill --signal=SIGKILL {UNIT}")
    wait_for("another scheduler leads", lambda: other_leads(local, marathon, old), within=60)
    marathon.settled(120)
    after = marathon.running(lasting)
    assert len(after) == 3
    assert not before & after
    client.expect_no_failure()


def test_the_leading_master_is_killed(
    marathon: MarathonApi, lasting: str, client: SteadyClient, local: Cluster
) -> None:
    before = marathon.running(lasting)
    for node in local.with_role("mesos-master"):
        if on_node(node.name, "pgrep -x mesos-master | head -1") and is_leader(str(node.address)):
            kill(node.name, "mesos-master")
            break
    marathon.change(lasting, {"instances": 4})
    assert before < marathon.running(lasting)
    marathon.change(lasting, {"instances": 3})
    client.expect_no_failure()


def is_leader(address: str) -> bool:
    """Whether the Mesos master at this address leads: a standby's redirect names another."""
    import http.client

    connection = http.client.HTTPConnection(address, 5050, timeout=5)
    connection.request("GET", "/master/redirect")
    location = connection.getresponse().getheader("Location") or ""
    connection.close()
    return address in location


def test_haproxy_is_killed(marathon: MarathonApi, lasting: str, client: SteadyClient, local: Cluster) -> None:
    edge = local.with_role("ingress")[0].name
    kill(edge, "haproxy")
    eventually(lambda: client.seen.requests and recent_success(client), 30, "HAProxy does not serve again")
    say(f"HAProxy killed: {client.summary()}, longest silence {client.seen.silent:.1f} s")


def recent_success(client: SteadyClient) -> bool:
    """Whether requests succeed now."""
    good = client.seen.requests - len(client.seen.failures)
    time.sleep(0.5)
    return client.seen.requests - len(client.seen.failures) > good + 20


def test_the_router_is_killed(marathon: MarathonApi, lasting: str, client: SteadyClient, local: Cluster) -> None:
    kill(local.with_role("ingress")[0].name, "utopia-router")
    marathon.change(lasting, {"instances": 4})
    marathon.change(lasting, {"instances": 3})
    client.expect_no_failure()


def test_zookeeper_is_away(marathon: MarathonApi, lasting: str, client: SteadyClient, local: Cluster) -> None:
    before = marathon.running(lasting)
    members = [node.name for node in local.with_role("zookeeper")]
    try:
        for node in members:
            on_node(node, "systemctl stop zookeeper")
        time.sleep(OUTAGE_SECONDS)  # the outage itself
    finally:
        for node in members:
            on_node(node, "systemctl start zookeeper")
    wait_for("the tasks are known again", lambda: known(marathon, lasting) == before, within=120)
    marathon.change(lasting, {"instances": 4})
    marathon.change(lasting, {"instances": 3})
    client.expect_no_failure()


def known(marathon: MarathonApi, app_id: str) -> set[str]:
    """The running tasks; empty while no scheduler answers."""
    try:
        return marathon.running(app_id)
    except AssertionError:
        return set()
