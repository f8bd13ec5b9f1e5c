"""Alerts for real: an agent that is gone, a certificate near its end and a node without canaries, all at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from lab import NAME, SPEC, bootstrap, on_node, say, wait_for

from bootstrap import certificates, paths
from bootstrap.certificates import Authority
from bootstrap.health.net import Login, UnansweredError, get
from bootstrap.model import Cluster, Node
from bootstrap.secrets import Secrets

pytestmark = pytest.mark.e2e
WITHIN = 150.0  # a canary is missed after 90 s; the rest takes two questions and a look at the rules
EXPORTER = "/etc/utopia-exporter"
SEEN: set[str] = set()


def firing(cluster: Cluster) -> dict[str, str]:
    """Alert -> the node it is about, as Alertmanager has them."""
    port = next(port.number for port in cluster.roles["alerts"].ports if port.name == "alertmanager")
    address = str(cluster.with_role("alerts")[0].address)
    login = Login("operator", Secrets(cluster.env).value("prometheus-operator"))
    ca = paths.state_dir(cluster.env) / "ca" / "ca.crt"
    try:
        found = get(address, port, "/api/v2/alerts?active=true", login=login, ca=ca, seconds=5).json()
    except UnansweredError:
        return {}
    labels = [alert["labels"] for alert in found]
    return {each["alertname"]: each.get("node", each.get("source", "")) for each in labels}


@contextmanager
def stopped(node: str, unit: str) -> Iterator[None]:
    """A unit that does not run meanwhile."""
    on_node(node, f"systemctl stop {unit}")
    try:
        yield
    finally:
        on_node(node, f"systemctl start {unit}")


def give_a_certificate_that_ends_soon(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment's own CA, for the node's exporter."""
    monkeypatch.setattr(certificates, "LEAF_DAYS", 10)
    names = [x509.DNSName(node.name), x509.IPAddress(IPv4Address(str(node.address)))]
    certificate, key = Authority(NAME)._sign(node.name, names)
    for name, content in {"node.crt": certificate, "node.key": key}.items():
        on_node(node.name, f"cat >{EXPORTER}/{name} <<'END'\n{content.decode()}END")
    on_node(node.name, "systemctl restart utopia-exporter")


def test_three_alerts_fire_for_real(restored: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = restored.with_role("mesos-agent")[-1].name
    edge = restored.with_role("ingress")[0]
    wanted = {"AgentGone", "CertificateEnds"}
    started = time.monotonic()
    with stopped(agent, "mesos-agent"):
        give_a_certificate_that_ends_soon(edge, monkeypatch)
        if restored.with_role("logs"):
            wanted.add("NoCanary")
            with stopped(edge.name, "log-canary.timer"):
                found = wait_for("the alerts fire", lambda: _all(restored, wanted), within=WITHIN)
            assert found["NoCanary"] == edge.name
        else:
            found = wait_for("the alerts fire", lambda: _all(restored, wanted), within=WITHIN)
        told = bootstrap("status", "--env", SPEC, "--json").document
    say(f"{', '.join(sorted(wanted))} fired within {time.monotonic() - started:.0f} s")
    assert found["CertificateEnds"] == edge.name
    shown = [row["detail"] for row in told["found"] if row["state"] == "firing"]
    assert all(any(row.startswith(name) for row in shown) for name in wanted), "status shows what fires"
    assert told["figures"]["source"] == "prometheus"
    # What the runbook says: the next run brings the certificate back.
    run = bootstrap("cluster", "--env", SPEC, "--only", "monitoring", "--json").expect()
    assert run.document["changes"] > 0


def test_figures_come_from_the_services_while_prometheus_is_away(restored: Cluster) -> None:
    server = restored.with_role("alerts")[0].name
    with stopped(server, "prometheus"):
        told = bootstrap("status", "--env", SPEC, "--json").document
    assert told["figures"]["source"] == "services"
    assert told["figures"]["agents"] == len(restored.with_role("mesos-agent"))


def _all(cluster: Cluster, wanted: set[str]) -> dict[str, str]:
    """What fires, when all that is wanted does. Each is told when it is first seen: what is missing can be read."""
    found = firing(cluster)
    for name in sorted(set(found) - SEEN):
        SEEN.add(name)
        say(f"{name} fires ({found[name]})")
    return found if wanted <= set(found) else {}
