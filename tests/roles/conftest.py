"""The contracts' ground: every file of this folder is one role's, and runs on each node that carries it.

Options: --utopia-env NAME|PATH, --utopia-node NODE (repeatable), --utopia-role ROLE (repeatable). Checks that
take `host` or `facts` run once per node; those that take neither are asked once of the role as a whole.
A check's docstring is what an operator reads when it fails: "what must hold".
"""

from __future__ import annotations

import contextlib
import functools
import http
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import host_with_password
import mesos_smoke
import node_facts
import pytest
import testinfra
import yaml
from mesos_smoke import Smoke
from node_facts import Facts, Leaks
from testinfra.host import Host

from bootstrap import canary, catalogue, config, drivers, log_index, paths, plan, ssh_config, status
from bootstrap.catalogue import Entry
from bootstrap.health.net import Answer, Login, get
from bootstrap.model import BASE_ROLE, Cluster, Node
from bootstrap.plan import Plan
from bootstrap.scraping import EXPORTER_ROLE, SCRAPE_SECRET
from bootstrap.secrets import Secrets

AT_ONCE = 16  # nodes asked for their facts at the same time
ENGINE_ROLE = "docker"
IN_LIMITS = (
    "docker run --rm --network none --memory 32m --cpus 0.5 --log-opt max-size=1m --entrypoint /bin/sh {image}"
    " -c 'echo hello'"
)
MASTER_ROLE, AGENT_ROLE = "mesos-master", "mesos-agent"
SMOKE_SECRET = "mesos-framework"
FIGURES_SECONDS = node_facts.SECONDS
PART_DOWN = re.compile(rb"^utopia_part_up\{.*\} 0(\.0)?$", re.M)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("utopia")
    group.addoption("--utopia-env", default="local", metavar="ENV", help="environment: name or path of a cluster.yaml")
    group.addoption("--utopia-node", action="append", default=[], metavar="NODE", help="only this node")
    group.addoption("--utopia-role", action="append", default=[], metavar="ROLE", help="only this role")
    group.addoption("--utopia-events", default="", metavar="FD", help="file descriptor for a JSON line per result")


def role_of(path: Path) -> str:
    """test_mesos_agent.py -> mesos-agent."""
    return path.stem.removeprefix("test_").replace("_", "-")


@dataclass
class UnderWay:
    """What was begun at the start of the session."""

    facts: Future[dict[str, Facts | Exception]]
    hunts: Future[dict[str, Leaks | Exception]] | None = None
    smoke: Future[Smoke] | None = None
    containers: Future[dict[str, Any]] | None = None
    songs: Future[dict[str, float]] | None = None
    figures: Future[dict[str, Any]] | None = None


class Selection:
    """What this run is about, known before the first file is collected."""

    def __init__(self, options: pytest.Config) -> None:
        self.cluster = config.load(options.getoption("--utopia-env"))
        self.only_nodes = set(options.getoption("--utopia-node"))
        self.only_roles = set(options.getoption("--utopia-role"))
        strange = self.only_nodes - {node.name for node in self.cluster.nodes} | self.only_roles - set(
            self.cluster.roles
        )
        if strange:
            raise pytest.UsageError(f"not in environment {self.cluster.env}: {', '.join(sorted(strange))}")

    def nodes(self, role: str) -> tuple[Node, ...]:
        """The nodes on which the checks of `role` run."""
        if self.only_roles and role not in self.only_roles:
            return ()
        return tuple(n for n in self.cluster.with_role(role) if not self.only_nodes or n.name in self.only_nodes)


SELECTION = pytest.StashKey[Selection]()
EVENTS = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SELECTION] = Selection(config)
    if config.getoption("--utopia-events"):
        config.stash[EVENTS] = int(config.getoption("--utopia-events"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A role's file runs only where a chosen node carries the role."""
    if collection_path.name.startswith("test_") and not config.stash[SELECTION].nodes(role_of(collection_path)):
        return True
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "node" in metafunc.fixturenames:
        nodes = metafunc.config.stash[SELECTION].nodes(role_of(Path(metafunc.module.__file__)))
        metafunc.parametrize("node", nodes, ids=[node.name for node in nodes])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        node = item.callspec.params["node"].name if hasattr(item, "callspec") and "node" in item.callspec.params else ""
        what = re.sub(r"\s+", " ", (item.function.__doc__ or item.name)).strip().rstrip(".")  # type: ignore[attr-defined]
        item.user_properties += [("role", role_of(item.path)), ("node", node), ("check", what)]
    _tell(config, {"awaited": Counter(role_of(item.path) for item in items)})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.when == "call" or (report.when == "setup" and not report.passed):
        _tell(item.config, {**dict(item.user_properties), "ok": report.passed})
    return report


def _tell(config: pytest.Config, event: Mapping[str, Any]) -> None:
    if EVENTS in config.stash:
        with contextlib.suppress(BrokenPipeError):  # nobody listens any more; the results file is what counts
            os.write(config.stash[EVENTS], json.dumps(event).encode() + b"\n")


@pytest.fixture(scope="session")
def selection(pytestconfig: pytest.Config) -> Selection:
    return pytestconfig.stash[SELECTION]


@pytest.fixture(scope="session")
def cluster(selection: Selection) -> Cluster:
    return selection.cluster


@pytest.fixture(scope="session")
def made(cluster: Cluster) -> Plan:
    """The plan: whatever is derived (quorum, connect strings, ...) is compared with it."""
    return plan.make(cluster)


@pytest.fixture(scope="session")
def artifacts() -> dict[str, Entry]:
    """pillar/artifacts.yaml: versions and names come from there."""
    return catalogue.load()


@pytest.fixture(scope="session")
def secrets(cluster: Cluster) -> Secrets:
    found = Secrets(cluster.env)
    assert found.names(), f"environment {cluster.env} has no secrets: it was never made"
    return found


@pytest.fixture(scope="session")
def operator(secrets: Secrets, cluster: Cluster) -> Login:
    login = status.operator(cluster.env)
    assert login, "the operator of Mesos has no password yet"
    return login


@pytest.fixture(scope="session")
def component_settings(cluster: Cluster) -> Callable[[str], dict[str, Any]]:
    """A component's defaults.yaml with this environment's settings over it: what must be in force."""

    @functools.cache
    def settings(component: str) -> dict[str, Any]:
        defaults = yaml.safe_load((paths.SALT / component / "defaults.yaml").read_text()) or {}
        return merged(defaults, dict(cluster.settings.get(component, {})))

    return settings


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key, everything else is replaced: as map.jinja does."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


@pytest.fixture(scope="session")
def hosts(cluster: Cluster, sudo_of: Callable[[str], str | None]) -> Callable[[str], Host]:
    """Testinfra's host of a node, over the same SSH configuration that operators use."""
    known: dict[str, Host] = {}

    def host_of(name: str) -> Host:
        if name not in known:
            config = ssh_config.path_of(cluster.env)
            assert config.exists(), f"{config} is not there: bootstrap cluster --env {cluster.env} --only machines"
            sudo = sudo_of(name)
            host = testinfra.get_host(f"ssh://{name}", ssh_config=str(config), sudo=sudo is not None)
            known[name] = host_with_password.of(host, sudo) if sudo else host
        return known[name]

    return host_of


@pytest.fixture(scope="session")
def sudo_of(cluster: Cluster) -> Callable[[str], str | None]:
    """How root is become on a node: None = one logs in as root, "" = sudo asks for nothing, else where to read."""
    if cluster.driver != "ssh":
        return lambda _name: None
    machines = {machine.node: machine for machine in drivers.get(cluster).machines()}
    return lambda name: None if machines[name].user == "root" else machines[name].sudo_password


@pytest.fixture
def host(hosts: Callable[[str], Host], node: Node) -> Host:
    return hosts(node.name)


@pytest.fixture(scope="session", autouse=True)
def under_way(
    selection: Selection,
    hosts: Callable[[str], Host],
    sudo_of: Callable[[str], str | None],
    component_settings: Callable[[str], dict[str, Any]],
    artifacts: dict[str, Entry],
    made: Plan,
) -> Iterator[UnderWay]:
    """What takes time begins at once and beside the checks: facts and the hunt on all nodes, tasks on all agents."""
    cluster = selection.cluster
    everyone = [node.name for node in cluster.nodes]
    chosen = {node.name for role in cluster.roles for node in selection.nodes(role)}
    base = component_settings("base")
    command = node_facts.script(everyone, [*base["sysctl"], *base["sysctl_host"]])
    with ThreadPoolExecutor(6) as pool:
        begun = UnderWay(pool.submit(_at_once, chosen, lambda name: node_facts.gather(hosts(name), name, command)))
        if selection.nodes(BASE_ROLE):
            begun.hunts = pool.submit(_hunt, cluster, chosen, sudo_of)
        if selection.nodes(AGENT_ROLE):
            begun.smoke = pool.submit(_smoke, selection, artifacts["task-image"].image or "")
        if selection.nodes(log_index.ROLE):
            begun.songs = pool.submit(_sing, cluster, hosts, artifacts["task-image"].image or "")
        if nodes := [node for node in selection.nodes(EXPORTER_ROLE) if made.node_pillar[node.name].get("monitoring")]:
            begun.figures = pool.submit(_figures, cluster, nodes, made)
        agents = {node.name for node in selection.nodes(AGENT_ROLE)}
        if engines := {node.name for node in selection.nodes(ENGINE_ROLE)} - agents:
            in_limits = IN_LIMITS.format(image=artifacts["task-image"].image)
            begun.containers = pool.submit(_at_once, engines, lambda name: hosts(name).run(in_limits))
        yield begun


@pytest.fixture
def facts(under_way: UnderWay, node: Node) -> Facts:
    return _or_raise(under_way.facts.result()[node.name])


@pytest.fixture
def leaks(under_way: UnderWay, node: Node) -> Leaks:
    """Where any of the environment's secrets lies on the node."""
    assert under_way.hunts
    return _or_raise(under_way.hunts.result()[node.name])


@pytest.fixture
def container(
    under_way: UnderWay, hosts: Callable[[str], Host], node: Node, artifacts: dict[str, Entry]
) -> Callable[[], Any]:
    """How a container within limits ended on this node: a command's result; None where a Docker task did it all."""

    def ended() -> Any:
        if under_way.containers and node.name in (results := under_way.containers.result()):
            return _or_raise(results[node.name])
        if under_way.smoke and not under_way.smoke.result().ends[node.name, "docker"]:
            return None
        return hosts(node.name).run(IN_LIMITS.format(image=artifacts["task-image"].image))

    return ended


@pytest.fixture
def songs(under_way: UnderWay) -> dict[str, float]:
    """Agent -> seconds until the line of a container there was found in the index."""
    assert under_way.songs
    return under_way.songs.result()


@pytest.fixture
def figures(under_way: UnderWay, node: Node) -> Mapping[str, Answer]:
    """What the node's exporter answered, by path; empty where its provider is asked for nothing."""
    return _or_raise(under_way.figures.result()[node.name]) if under_way.figures else {}


@pytest.fixture
def smoke(under_way: UnderWay) -> Smoke:
    """How the tasks on the chosen agents ended."""
    assert under_way.smoke
    return under_way.smoke.result()


def _hunt(cluster: Cluster, names: set[str], sudo_of: Callable[[str], str | None]) -> dict[str, Leaks | Exception]:
    config, secrets = ssh_config.path_of(cluster.env), Secrets(cluster.env)
    values = [secrets.value(name) for name in secrets.names()]
    assert values, f"environment {cluster.env} has no secrets: it is not made"
    return _at_once(names, lambda name: node_facts.hunt(name, config, values, sudo=sudo_of(name)))


def _sing(cluster: Cluster, hosts: Callable[[str], Host], image: str) -> dict[str, float]:
    def run(node: str, command: str) -> None:
        result = hosts(node).run(command)
        assert result.rc == 0, f"{node}: {result.stderr.strip()[-300:]}"

    index = log_index.of(cluster, Login("operator", Secrets(cluster.env).value(log_index.SECRET)))
    found = canary.show(run, index, [node.name for node in cluster.with_role(AGENT_ROLE)], image)
    if found:
        canary.keep(cluster.env, found)
    return found


def _figures(cluster: Cluster, nodes: Sequence[Node], made: Plan) -> dict[str, Any]:
    login = Login("prometheus", Secrets(cluster.env).value(SCRAPE_SECRET))
    ca = paths.state_dir(cluster.env) / "ca" / "ca.crt"
    addresses = {node.name: str(node.address) for node in nodes}

    def of(name: str) -> dict[str, Answer]:
        told = made.node_pillar[name]["monitoring"]

        def answer(path: str) -> Answer:
            """Elasticsearch's exporter listens 10 s after its node has come up; until then ours gives a 502.

            A part has 4 s for each of its figures, and is asked when everything else is checked as well: one that
            is late is asked again.
            """
            until = time.monotonic() + FIGURES_SECONDS
            while True:
                found = get(addresses[name], told["port"], path, login=login, ca=ca, seconds=FIGURES_SECONDS)
                comes_late = path == "/elasticsearch" and found.status == http.HTTPStatus.BAD_GATEWAY
                if not (comes_late or PART_DOWN.search(found.body)) or time.monotonic() > until:
                    return found
                time.sleep(0.5)

        return {path: answer(path) for path in ("/metrics", *(f"/{relay}" for relay in told["relays"]))}

    return _at_once(set(addresses), of)


def _smoke(selection: Selection, image: str) -> Smoke:
    cluster, secrets = selection.cluster, Secrets(selection.cluster.env)
    assert SMOKE_SECRET in secrets.names(), f"environment {cluster.env} has no secret {SMOKE_SECRET}: it is not made"
    port = next(port.number for port in cluster.roles[MASTER_ROLE].ports if port.name == "http")
    masters = ",".join(f"{node.address}:{port}" for node in cluster.with_role(MASTER_ROLE))
    nodes = [node.name for node in selection.nodes(AGENT_ROLE)]
    return mesos_smoke.run(masters, secrets.value(SMOKE_SECRET), nodes, image)


@pytest.fixture(scope="session")
def at_once() -> Callable[[set[str], Callable[[str], Any]], dict[str, Any]]:
    """`work(name)` for many nodes at a time; an exception is that node's result."""
    return _at_once


def _at_once(names: set[str], work: Callable[[str], Any]) -> dict[str, Any]:
    def attempt(name: str) -> Any:
        try:
            return work(name)
        except Exception as error:  # raised again in the check that asks for it
            return error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(names, pool.map(attempt, names), strict=True))


def _or_raise(found: Any) -> Any:
    if isinstance(found, Exception):
        pytest.fail(f"the node did not answer: {str(found).splitlines()[0][:300]}", pytrace=False)
    return found
