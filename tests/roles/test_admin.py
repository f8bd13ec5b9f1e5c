"""Role admin: the Salt master with its API, and the server of artifacts."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from node_facts import Facts, closed, missing, not_running
from testinfra.host import Host

from bootstrap import salt_api
from bootstrap.certificates import Authority
from bootstrap.health.net import UnansweredError, get
from bootstrap.model import ADMIN_ROLE, Cluster, Node
from bootstrap.plan import Plan
from bootstrap.salt_api import SaltApi
from bootstrap.secrets import Secrets

UNITS = ("salt-master", "salt-api", "nginx")
PILLAR = "/srv/utopia/pillar/cluster.sls"  # what all nodes are told; its first line is #!json


@pytest.fixture(scope="module")
def port(cluster: Cluster) -> Callable[[str], int]:
    return {port.name: port.number for port in cluster.roles[ADMIN_ROLE].ports}.__getitem__


@pytest.fixture(scope="module")
def authority(cluster: Cluster) -> Authority:
    return Authority(cluster.env)


@pytest.fixture(scope="module")
def salt(cluster: Cluster, secrets: Secrets, authority: Authority) -> Iterator[SaltApi]:
    api = salt_api.connect(cluster, secrets, authority)
    yield api
    api.close()


@pytest.fixture(scope="module", autouse=True)
def under_way_here(
    cluster: Cluster,
    salt: SaltApi,
    port: Callable[[str], int],
    authority: Authority,
    hosts: Callable[[str], Host],
) -> Iterator[dict[str, Future[Any]]]:
    """What is answered late, asked at once: a wrong password costs its asker up to a second."""
    admin, names = cluster.with_role(ADMIN_ROLE)[0], [node.name for node in cluster.nodes]
    address, host = str(admin.address), hosts(admin.name)
    with ThreadPoolExecutor(3) as pool:
        yield {
            "login": pool.submit(_login_with_a_wrong_password, address, port("salt-api"), authority),
            "artifacts": pool.submit(_artifacts, host, address, port("artifacts"), authority),
            "minions": pool.submit(salt.call, names, "test.ping", timeout=15),
        }


def _artifacts(host: Host, address: str, port: int, authority: Authority) -> tuple[set[str], list[str]]:
    """The artifacts that nodes are told of, and what is wrong with those that are served."""
    files = json.loads(host.file(PILLAR).content_string.partition("\n")[2])["artifacts"]["files"]
    wrong = []
    for artifact in files.values():
        answer = get(address, port, f"/{artifact['file']}", ca=authority.ca_path, seconds=10)
        if answer.status != 200:
            wrong.append(f"{artifact['file']} is answered with {answer.status}")
        elif hashlib.sha256(answer.body).hexdigest() != artifact["sha256"]:
            wrong.append(f"{artifact['file']} is served with another checksum than the nodes expect")
    return set(files), wrong


def _login_with_a_wrong_password(address: str, port: int, authority: Authority) -> int:
    """The status of the answer."""
    context = ssl.create_default_context(cafile=str(authority.ca_path))
    connection = http.client.HTTPSConnection(address, port, timeout=30, context=context)
    body = json.dumps({"username": salt_api.USER, "password": "wrong", "eauth": "file"})
    connection.request("POST", "/login", body=body, headers={"Content-Type": "application/json"})
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_units(facts: Facts) -> None:
    """Salt's master and API and the artifact server run, now and after a boot"""
    wrong = not_running(facts, UNITS)
    assert not wrong, "; ".join(wrong)


def test_ports(facts: Facts, node: Node, cluster: Cluster) -> None:
    """Listens on the role's ports"""
    wrong = closed(facts, str(node.address), cluster.roles[ADMIN_ROLE].ports)
    assert not wrong, "; ".join(wrong)


def test_packages(facts: Facts, component_settings: Callable[[str], dict[str, Any]]) -> None:
    """The packages of the artifact server are installed"""
    wrong = missing(facts, component_settings("artifact-server")["packages"])
    assert not wrong, "; ".join(wrong)


def test_tls(node: Node, port: Callable[[str], int], authority: Authority) -> None:
    """The API and the artifact server show a certificate of this environment's CA, and speak nothing but TLS"""
    wrong = []
    for name in ("salt-api", "artifacts"):
        try:
            get(str(node.address), port(name), "/", ca=authority.ca_path)
        except UnansweredError as error:
            wrong.append(f"{name} {error}")
        with pytest.raises((UnansweredError, AssertionError)):
            assert get(str(node.address), port(name), "/").status != 200
            raise UnansweredError("plain text is refused")
    assert not wrong, "; ".join(wrong)


def test_certificate_of_others_is_refused(node: Node, port: Callable[[str], int]) -> None:
    """Nobody who trusts only public authorities takes these certificates"""
    public = ssl.create_default_context()
    for name in ("salt-api", "artifacts"):
        connection = http.client.HTTPSConnection(str(node.address), port(name), timeout=30, context=public)
        with pytest.raises(ssl.SSLCertVerificationError):
            connection.request("GET", "/")
        connection.close()


def test_artifacts(under_way_here: dict[str, Future[Any]], made: Plan) -> None:
    """Serves every artifact that the nodes are told of, whole"""
    told, wrong = under_way_here["artifacts"].result()
    assert told == set(made.artifacts)
    assert not wrong, "; ".join(wrong)


def test_no_listing(node: Node, port: Callable[[str], int], authority: Authority) -> None:
    """The artifact server lists nothing and takes nothing"""
    assert get(str(node.address), port("artifacts"), "/", ca=authority.ca_path).status in (403, 404)
    context = ssl.create_default_context(cafile=str(authority.ca_path))
    connection = http.client.HTTPSConnection(str(node.address), port("artifacts"), timeout=30, context=context)
    connection.request("PUT", "/anything", body=b"x")
    assert connection.getresponse().status in (403, 405)
    connection.close()


def test_login(under_way_here: dict[str, Future[Any]]) -> None:
    """The API refuses a wrong password"""
    assert under_way_here["login"].result() == 401


def test_minions(under_way_here: dict[str, Future[Any]], cluster: Cluster) -> None:
    """Every node's minion answers through the API"""
    answered = under_way_here["minions"].result()
    silent = [node.name for node in cluster.nodes if answered.get(node.name) is not True]
    assert not silent, f"silent: {', '.join(silent)}"


def test_keys(facts: Facts, cluster: Cluster) -> None:
    """The master knows the keys of the nodes and of nobody else"""
    accepted = {line.removeprefix("minions/") for line in facts.lines("salt-keys") if line.startswith("minions/")}
    others = [line for line in facts.lines("salt-keys") if not line.startswith("minions/")]
    expected = {node.name for node in cluster.nodes}
    assert accepted == expected, f"differs in: {', '.join(sorted(accepted ^ expected))}"
    assert not others, f"keys that wait or were refused: {', '.join(others)}"
