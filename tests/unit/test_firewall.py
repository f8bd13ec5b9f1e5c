"""The matrix of ports: from the role table, by environment, and as the document has it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace

import pytest

from bootstrap import cli, config, firewall, paths

DOCUMENT = paths.CHECKOUT / "docs" / "operations.md"
TABLE = re.compile(r"(<!-- made by tests/unit/test_firewall.py [^\n]*-->\n)(.*?)(<!-- end -->)", re.DOTALL)


def test_the_document_has_the_matrix_of_the_role_table() -> None:
    matrix = firewall.markdown(firewall.rules(config.load("prod").roles))
    text = DOCUMENT.read_text()
    if os.environ.get("UPDATE_DOCS"):
        DOCUMENT.write_text(TABLE.sub(lambda found: f"{found[1]}{matrix}\n{found[3]}", text))
        text = DOCUMENT.read_text()
    found = TABLE.search(text)
    assert found
    assert found[2].strip() == matrix


def test_every_port_of_every_role_is_there() -> None:
    roles = config.load("prod").roles
    found = {(rule.role, rule.ports, rule.protocol) for rule in firewall.rules(roles)}
    wanted = {(role.name, str(port.number), port.protocol) for role in roles.values() for port in role.ports}
    assert wanted <= found


def test_a_port_without_a_word_is_open_to_all_nodes_and_to_nobody_else() -> None:
    roles = dict(config.load("prod").roles)
    roles["zookeeper"] = replace(roles["zookeeper"], callers={})
    found = {rule.what: rule.callers for rule in firewall.rules(roles) if rule.role == "zookeeper"}
    assert set(found.values()) == {("nodes",)}


def test_an_environment_has_the_rules_of_its_own_roles() -> None:
    cluster = config.load("prod")
    few = tuple(node for node in cluster.nodes if node.name in ("admin-1", "control-1"))
    found = firewall.of(replace(cluster, nodes=few))
    assert {rule.role for rule in found} == {"base", "admin", "zookeeper", "mesos-master", "marathon", "elasticsearch"}
    (client,) = [rule for rule in found if rule.what == "client"]
    assert "ingress" not in client.callers


def test_the_command_tells_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["firewall", "--env", "prod", "--json"]) == 0
    rules = {rule["what"]: rule for rule in json.loads(capsys.readouterr().out)["rules"]}
    assert (
        rules["peer"]["to_addresses"] == rules["peer"]["from_addresses"] == ["10.20.0.11", "10.20.0.12", "10.20.0.13"]
    )
    assert (rules["tasks"]["ports"], len(rules["tasks"]["to_addresses"])) == ("31000-32000", 24)
    assert rules["ssh"]["from_addresses"] == []
