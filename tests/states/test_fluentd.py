"""Fluentd's configuration: for both releases as files a person can read, and what its options have to be among."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml
from more_topologies import with_aggregators

from bootstrap import paths

GOLDEN = Path(__file__).with_name("golden") / "fluentd"
CONFIG, AGGREGATOR = "/etc/fluent/fluentd.conf", "/etc/fluent/aggregator.conf"
THEIRS = ["logs.example.com:24224", "10.20.0.42:24225"]
# Variant -> settings of fluentd in production, and the nodes that are looked at.
ALONE = {
    "release-5": {"release": 5},
    "release-6": {"release": 6},
    "somebody-elses": {"aggregators": THEIRS, "overflow_action": "drop_oldest_chunk"},
}
NODES = ("agent-01", "edge-1")
# The same where two nodes aggregate.
AGGREGATED = {"aggregators-5": {"release": 5}, "aggregators-6": {"release": 6}}
SENDER, TAKER = "agent-01", "control-1"


@pytest.fixture(scope="module")
def answers(render, minions, tmp_path_factory):
    """Variant/node -> what is rendered."""
    asked = {}
    for variant, settings in ALONE.items():
        folder = tmp_path_factory.mktemp(variant) / "prod"
        folder.mkdir()
        document = yaml.safe_load((paths.PILLAR / "env/prod/cluster.yaml").read_text())
        (folder / "cluster.yaml").write_text(yaml.safe_dump(document | {"settings": {"fluentd": settings}}))
        found = minions(str(folder / "cluster.yaml"))
        asked |= {f"{variant}/{node}": found[f"prod/{node}"] for node in NODES}
    for variant, settings in AGGREGATED.items():
        found = minions(with_aggregators(tmp_path_factory.mktemp(variant), {"fluentd": settings}))
        asked |= {f"{variant}/{node}": found[f"aggregators/{node}"] for node in (SENDER, TAKER)}
    answers = render(paths.SALT, asked)
    assert [answer["errors"] for answer in answers.values()] == [[]] * len(asked)
    return answers


@pytest.fixture(scope="module")
def configs(answers):
    """Variant/node -> text of the shipper's configuration; variant/node/aggregator -> the aggregator's."""
    found = {name: answer["files"][CONFIG] for name, answer in answers.items()}
    taken = {name: answer["files"].get(AGGREGATOR) for name, answer in answers.items()}
    return found | {f"{name}/aggregator": text for name, text in taken.items() if text}


def test_rendered_configurations_are_the_golden_ones(configs):
    assert {name for name in configs if name.endswith("/aggregator")} == {f"{v}/{TAKER}/aggregator" for v in AGGREGATED}
    for name, text in configs.items():
        path = GOLDEN / f"{name}.conf"
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), path


def sections(text):
    """Every option as (path of sections, name)."""
    path, found = [], set()
    for line in text.splitlines():
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if closing := re.fullmatch(r"</(\w+)>", word):
            assert path.pop() == closing[1]
        elif opening := re.fullmatch(r"<(\w+)[^>]*>", word):
            path.append(opening[1])
        else:
            found.add((tuple(path), word.split()[0]))
    assert path == []
    return found


INDEX = ("id_key", "reconnect_on_error", "verify_es_version_at_startup", "request_timeout", "write_operation")
FORWARD = ("transport", "tls_cert_path", "require_ack_response", "ack_response_timeout", "heartbeat_type")
BUFFER = ("total_limit_size", "overflow_action", "retry_forever", "flush_interval")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("release-6/agent-01", INDEX),
        (f"aggregators-6/{TAKER}/aggregator", INDEX),
        (f"aggregators-6/{SENDER}", FORWARD),
    ],
)
def test_options_are_in_the_sections_that_read_them(configs, name, options):
    found = sections(configs[name])
    match, buffer = ("label", "match"), ("label", "match", "buffer")
    for option in options:
        assert (match, option) in found
        assert (buffer, option) not in found
    for option in BUFFER:
        assert (buffer, option) in found
        assert (match, option) not in found


def test_a_buffer_by_tag_is_what_both_outputs_ask_for(configs):
    for name, text in configs.items():
        (shipping,) = re.findall(
            r"@type (?:elasticsearch|forward)\n    @id (?:index|forward)\n.*?</match>", text, re.DOTALL
        )
        assert "<buffer tag>" in shipping, name


def test_releases_and_tiers_differ_where_they_must(configs):
    assert "suppress_type_name" in configs["release-5/agent-01"]
    assert "suppress_type_name" in configs[f"aggregators-5/{TAKER}/aggregator"]
    assert "suppress_type_name" not in configs["release-6/agent-01"]
    assert "suppress_type_name" not in configs[f"aggregators-6/{TAKER}/aggregator"]
    assert "docker/containers" not in configs["release-6/edge-1"]


@pytest.mark.parametrize("name", [f"aggregators-6/{SENDER}", f"aggregators-6/{TAKER}", "somebody-elses/agent-01"])
def test_a_sender_writes_into_no_index_and_holds_no_password_of_it(configs, name):
    assert "@type elasticsearch" not in configs[name]
    assert "secret-of-elasticsearch-shipper" not in configs[name]
    assert "shared_key secret-of-fluentd-shared-key" in configs[name]


def servers(text):
    return [
        dict(line.split() for line in section.strip().splitlines())
        for section in re.findall(r"<server>(.*?)</server>", text, re.DOTALL)
    ]


def test_a_sender_knows_both_aggregators_and_the_names_in_their_certificates(configs):
    assert servers(configs[f"aggregators-6/{SENDER}"]) == [
        {"name": "control-1.prod.example.com", "host": "10.20.0.11", "port": "24224"},
        {"name": "control-2.prod.example.com", "host": "10.20.0.12", "port": "24224"},
    ]
    assert servers(configs["somebody-elses/agent-01"]) == [
        {"name": "logs.example.com", "host": "logs.example.com", "port": "24224"},
        {"host": "10.20.0.42", "port": "24225"},
    ]


def test_an_aggregator_listens_at_its_own_address_over_tls_to_those_who_know_the_key(configs):
    (source,) = re.findall(
        r"<source>\n  @type forward\n.*?</source>", configs[f"aggregators-6/{TAKER}/aggregator"], re.DOTALL
    )
    for line in ("bind 10.20.0.11", "port 24224", "<transport tls>", "shared_key secret-of-fluentd-shared-key"):
        assert line in source


def test_a_configuration_that_fluentd_does_not_take_is_never_installed(answers):
    for name, answer in answers.items():
        chunks = [chunk for chunk in answer["chunks"] if chunk["name"] in (CONFIG, AGGREGATOR)]
        assert [chunk["check_cmd"] for chunk in chunks] == ["/opt/fluent/bin/fluentd --dry-run -c"] * len(chunks), name
    assert len(chunks) == 2, "the last one is a node with both"


def test_an_aggregator_is_restarted_by_the_roll_alone(answers):
    steps = answers[f"aggregators-6/{TAKER}"]["extra"]["fluentd-aggregator.restart"]
    assert [(step["state"], step["fun"], step["name"]) for step in steps] == [
        ("restart", "performed", "fluentd-aggregator"),
        ("readiness", "wait", "log-aggregator"),
        ("restart", "done", "fluentd-aggregator"),
    ]


def test_the_monitor_tells_no_password(configs):
    for text in configs.values():
        (monitor,) = re.findall(r"<source>\n  @type monitor_agent\n(.*?)</source>", text, re.DOTALL)
        assert "bind 127.0.0.1" in monitor
        assert "include_config false" in monitor


def test_the_canary_of_a_fluentd_node_asks_for_no_group_of_rsyslog(answers):
    for answer in answers.values():
        unit = answer["files"]["/etc/systemd/system/log-canary.service"]
        assert "SupplementaryGroups" not in unit, "a group that is not there: the unit would never start"


def test_what_is_rotated_while_reading_waits_is_read_on(configs):
    """A file is known by its inode, and looked at by its name: so the path has the names it gets later."""
    tails = re.findall(r"<source>\n  @type tail\n(.*?)</source>", configs["release-6/agent-01"], re.DOTALL)
    assert len(tails) == 2
    for tail in tails:
        options = dict(re.findall(r"^  (\w+) (.+)$", tail, re.MULTILINE))
        assert options["follow_inodes"] == "true"
        assert options["path"].endswith("-json.log*")
        assert options["exclude_path"].endswith('/*.gz"]')
