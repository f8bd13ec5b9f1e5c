"""Role ingress, whichever provider fills it: each edge, and that applications are reached through it."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from node_facts import SECONDS, Facts, closed, missing, not_running, not_somebodys

from bootstrap import paths
from bootstrap.health import ingress, marathon
from bootstrap.health.net import Login, get
from bootstrap.model import Cluster, Node
from bootstrap.plan import Plan
from bootstrap.secrets import Secrets
from bootstrap.smoke import sample
from bootstrap.smoke.edge import Edge
from bootstrap.smoke.marathon import Marathon
from bootstrap.smoke.proof import Proof

ROLE = "ingress"
NOBODY = "nobody-has-this-name.invalid"


@pytest.fixture(scope="module")
def ports(cluster: Cluster) -> Mapping[str, int]:
    return {port.name: port.number for port in cluster.roles[ROLE].ports}


@pytest.fixture(scope="module")
def units(cluster: Cluster) -> list[str]:
    """HAProxy and the service of the provider that was chosen."""
    return list(cluster.roles[ROLE].restart)


@pytest.fixture(scope="module")
def login(made: Plan, cluster: Cluster, secrets: Secrets) -> Login | None:
    """Of the provider's API; None where it asks for none."""
    given = made.secrets[cluster.with_role(ROLE)[0].name]
    return Login("operator", secrets.value(ingress.SECRET)) if ingress.SECRET in given else None


def test_unit(facts: Facts, units: list[str]) -> None:
    """HAProxy and what configures it run, now and after a boot"""
    wrong = not_running(facts, units)
    assert not wrong, "; ".join(wrong)


def test_user(facts: Facts, units: list[str]) -> None:
    """What configures HAProxy is not root, and neither is what takes connections"""
    wrong = not_somebodys(facts, [unit for unit in units if unit != "haproxy"])
    workers = facts.processes(r"^\S*haproxy -sf|^\S*haproxy -Ws ")
    assert "haproxy" in workers, f"HAProxy's processes belong to {', '.join(sorted(set(workers))) or 'nobody'}"
    assert not wrong, "; ".join(wrong)


def test_packages(facts: Facts) -> None:
    """HAProxy is installed"""
    wrong = missing(facts, ["haproxy"])
    assert not wrong, "; ".join(wrong)


def test_ports(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Listens on the role's ports"""
    wrong = closed(facts, str(node.address), cluster.roles[ROLE].ports)
    assert not wrong, "; ".join(wrong)


def test_statistics_are_not_for_the_world(facts: Facts, component_settings: Callable[[str], dict[str, Any]]) -> None:
    """The statistics are served on loopback alone"""
    port = component_settings("haproxy")["stats_port"]
    on = {address for protocol, address, number in facts.listening if (protocol, number) == ("tcp", port)}
    assert on == {"127.0.0.1"}, f"served on {', '.join(sorted(on)) or 'nothing'}"


def test_unknown_host(node: Node, ports: Mapping[str, int]) -> None:
    """A host name of nobody gets a page that says so, with the request's id, and not HAProxy's bare 503"""
    connection = http.client.HTTPConnection(str(node.address), ports["http"], timeout=SECONDS)
    try:
        connection.request("GET", "/", headers={"Host": NOBODY})
        answer = connection.getresponse()
        page = answer.read().decode()
    finally:
        connection.close()
    assert answer.status == 404, f"status {answer.status}: {page[:200]}"
    assert "text/html" in (answer.getheader("Content-Type") or "")
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", page), "no id of the request on the page"
    assert NOBODY not in page, "repeats what the caller wrote"


def test_certificate(node: Node, ports: Mapping[str, int], cluster: Cluster) -> None:
    """Speaks TLS with a certificate of this environment's CA, for its own name and those of applications"""
    context = ssl.create_default_context(cafile=str(paths.state_dir(cluster.env) / "ca" / "ca.crt"))
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    for name in (f"{node.name}.{cluster.domain}", f"anything.{cluster.domain}", "hello.localhost"):
        with (
            socket.create_connection((str(node.address), ports["https"]), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name) as spoken,
        ):
            assert spoken.version() in ("TLSv1.2", "TLSv1.3"), name


def test_api(node: Node, ports: Mapping[str, int], login: Login | None) -> None:
    """Its API says OK and knows the rules; where it has a login, nobody without reads or writes"""
    address, port = str(node.address), ports["api"]
    status = get(address, port, "/status", seconds=SECONDS)
    assert (status.status, status.body.strip()) == (200, b"OK")
    rules = get(address, port, "/api/services", login=login, seconds=SECONDS)
    assert rules.status == 200, f"answers {rules.status}"
    assert isinstance(rules.json(), dict)
    if login:
        for wrong in (None, Login("operator", "wrong")):
            assert get(address, port, "/api/services", login=wrong, seconds=SECONDS).status == 401


def test_view(node: Node, ports: Mapping[str, int], login: Login | None) -> None:
    """What HAProxy runs is what Marathon has now, where the provider can tell"""
    told = ingress.facts(str(node.address), ports["api"], login, seconds=SECONDS)
    if told is None:
        return  # Bamboo tells nothing of itself; the sample application below does
    assert told["applied"], f"HAProxy does not run what is wanted: {told['last_error']}"
    assert told["view_age_seconds"] is not None, "has not read Marathon yet"
    assert told["view_age_seconds"] < ingress.OLD_SECONDS
    assert told["zookeeper"]["connected"], "has no connection to ZooKeeper"


def test_rules_are_not_for_everybody_to_write(made: Plan, login: Login | None) -> None:
    """Where the provider has a login for ZooKeeper, nobody without it writes a rule"""
    if not login:
        return  # Bamboo knows no login there
    client = KazooClient(hosts=made.pillar["zookeeper"]["connect"], timeout=SECONDS)
    try:
        client.start(timeout=SECONDS)
        path = made.pillar["ingress"]["zk_path"]
        with pytest.raises(NoAuthError):
            client.create(f"{path}/%2Fintruder", b"", ephemeral=True)
        for rule in client.get_children(path):
            with pytest.raises(NoAuthError):
                client.set(f"{path}/{rule}", b"")
    finally:
        client.stop()
        client.close()


def test_sample(
    node: Node, ports: Mapping[str, int], cluster: Cluster, made: Plan, login: Login | None, secrets: Secrets
) -> None:
    """The sample application is healthy, and answers through this edge by its host names"""
    if not any(phase.kind == "smoke" for phase in made.phases):
        return  # nothing runs applications here
    edge = Edge(node.name, str(node.address), ports["http"], ports["api"], login)
    service = Marathon(made.pillar["marathon"]["endpoints"], Login("operator", secrets.value(marathon.SECRET)))
    assert Proof(service, [edge], cluster.domain).holds(), "it is not there as it should be: bootstrap cluster"
    for host in sample.hosts(sample.HELLO, cluster.domain):
        status, page = edge.call(host)
        assert status == 200, f"{host}: status {status}"
        assert page.startswith("hello from"), f"{host}: {page[:100]}"
